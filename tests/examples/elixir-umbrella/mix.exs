defmodule All.MixProject do
  use Mix.Project
  def project, do: [apps_path: "apps", version: "0.1.0", releases: [all_web: [applications: [web: :permanent]]]]
end
