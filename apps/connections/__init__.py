"""How a team gets at private repositories: its connections to git hosts. Their secrets are in the secret store."""
