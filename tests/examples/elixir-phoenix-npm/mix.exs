defmodule Old.MixProject do
  use Mix.Project
  def project, do: [app: :old, elixir: "~> 1.12", deps: [{:phoenix, "~> 1.5"}]]
  def application, do: [mod: {Old, []}]
end
