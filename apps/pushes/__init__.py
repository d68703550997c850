"""Push to deploy: the platform's own git server. `git push` stores, deploys, and shows the deployment as it goes.

From the outside in: `views` (addresses, tokens, refusals), `door` (which repository, who may), `backend` (git's own
`http-backend` as a process), `hook/` (what git runs once the branches have moved), `attending` (the other end of that
hook), `arrival` (what becomes of a push) and `words` (what the person at the terminal reads).
"""
