defmodule Hello.MixProject do
  use Mix.Project
  def project, do: [app: :hello, version: "0.1.0", elixir: "~> 1.15", deps: [{:plug_cowboy, "~> 2.0"}]]
  def application, do: [mod: {Hello, []}]
end
