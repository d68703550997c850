"""An MCP server of the official SDK on a unix socket: `python mcp_server.py <socket> <name>`.

Its sessions live in this process alone, as with most servers.
"""

import asyncio
import sys

import uvicorn
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.transport_security import TransportSecuritySettings

address, name = sys.argv[1:]
server = MCPServer(name)
go = asyncio.Event()
holders = 0


@server.tool()
def who() -> str:
    return name


@server.tool()
def told(ctx: Context, header: str) -> str:
    """What this server was sent as `header`."""
    return ctx.headers.get(header, "") if ctx.headers else ""


@server.tool()
async def hold() -> str:
    """Answer when somebody has asked for `let_go`."""
    global holders
    go.clear()
    holders += 1
    await go.wait()
    return f"held by {name}"


@server.tool()
def holding() -> bool:
    return holders > 0


@server.tool()
async def let_go(ctx: Context) -> str:
    go.set()
    return "ok"


@server.tool()
async def announce(ctx: Context) -> str:
    """Say through the session's open stream that the tools are others now."""
    await ctx.session.send_tool_list_changed()
    return "ok"


app = server.streamable_http_app(transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False))
uvicorn.run(app, uds=address, log_level="warning")
