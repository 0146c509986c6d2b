"""The official Python SDK signs in: python_client.py ADDRESS PERSON

Discovery, registration, PKCE with a browser without a window, and a call. Prints the jobs that the person sees.
"""

import asyncio
import json
import sys
from http.cookies import SimpleCookie
from urllib.parse import parse_qs, urljoin, urlparse
from urllib.request import HTTPRedirectHandler, Request, build_opener
from urllib.error import HTTPError

from mcp.client.auth import OAuthClientProvider
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientMetadata

CALLBACK = "http://127.0.0.1:9/callback"


class Storage:
    def __init__(self):
        self.tokens, self.client = None, None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client):
        self.client = client


class NoRedirect(HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


def browse(address, person):
    opener, cookies = build_opener(NoRedirect), SimpleCookie()
    address += f"&login_hint={person}"
    for _ in range(12):
        pairs = "; ".join(f"{name}={morsel.value}" for name, morsel in cookies.items())
        try:
            answer = opener.open(Request(address, headers={"cookie": pairs} if pairs else {}))
        except HTTPError as redirect:
            answer = redirect
        for line in answer.headers.get_all("set-cookie") or []:
            cookies.load(line)
        address = urljoin(address, answer.headers["location"])
        if address.startswith(CALLBACK):
            return parse_qs(urlparse(address).query)
    raise SystemExit("the sign-in goes round in circles")


async def main(server, person):
    landed = {}

    async def redirect(address):
        landed.update(await asyncio.to_thread(browse, address, person))

    async def callback():
        code, state = landed["code"][0], landed.get("state", [None])[0]
        return AuthorizationCodeResult(code=code, state=state, iss=landed.get("iss", [None])[0])

    auth = OAuthClientProvider(
        server_url=server,
        client_metadata=OAuthClientMetadata(
            client_name="python check",
            redirect_uris=[CALLBACK],
            grant_types=["authorization_code", "refresh_token"],
            response_types=["code"],
            token_endpoint_auth_method="none",
            application_type="native",
        ),
        storage=Storage(),
        redirect_handler=redirect,
        callback_handler=callback,
    )
    await use(server, auth)


async def use(server, auth):
    import httpx2
    from mcp import ClientSession
    from mcp.client.streamable_http import streamable_http_client

    async with httpx2.AsyncClient(auth=auth, timeout=30) as http:
        async with streamable_http_client(server, http_client=http) as (read, write, *_):
            async with ClientSession(read, write) as session:
                await session.initialize()
                tools = [tool.name for tool in (await session.list_tools()).tools]
                assert "submit_job" in tools, tools
                answer = await session.call_tool("list_jobs", {})
                print(json.dumps(answer.structured_content["content"]))


asyncio.run(main(*sys.argv[1:]))
