defmodule Shop.MixProject do
  use Mix.Project

  def project do
    [app: :shop, version: "0.1.0", elixir: "~> 1.14", aliases: aliases(), deps: deps()]
  end

  def application, do: [mod: {Shop.Application, []}]

  defp deps do
    [{:phoenix, "~> 1.7.12"}, {:ecto_sql, "~> 3.10"}]
  end

  defp aliases do
    ["assets.deploy": ["tailwind default --minify", "esbuild default --minify", "phx.digest"]]
  end
end
