"""What the official Python server shows, asked of itself: the names and arguments that ours has to answer to, and how
much room its list takes.

    python official_server.py CHECKOUT [--write]

Runs where `pdfco-mcp` is installed; needs no key and no network. Compares with `fixtures/official-server/`, or writes the
sizes there.
"""

import asyncio
import json
import sys
from importlib.metadata import version
from pathlib import Path

from pdfco.mcp import mcp


def characters(tools: list[dict]) -> int:
    return len(json.dumps({"tools": tools}, separators=(",", ":"), ensure_ascii=False))


async def shown() -> list[dict]:
    tools = [tool.to_mcp_tool() for tool in await mcp.list_tools()]
    return [tool.model_dump(by_alias=True, exclude_none=True, mode="json") for tool in tools]


def write_arguments(file: Path, tools: list[dict]) -> None:
    """Renews the arguments. Where a call goes, and what else a tool answers to, the server does not show."""
    known = {tool["name"]: tool for tool in json.loads(file.read_text())}
    rows = [
        known[tool["name"]]
        | {
            "arguments": list(tool["inputSchema"]["properties"]),
            "required": tool["inputSchema"].get("required", []),
        }
        for tool in tools
    ]
    file.write_text("[\n" + ",\n".join("  " + json.dumps(row) for row in rows) + "\n]\n")


def main() -> None:
    fixtures = Path(sys.argv[1], "fixtures", "official-server")
    tools = asyncio.run(shown())
    bare = [{name: value for name, value in tool.items() if name != "outputSchema"} for tool in tools]
    size = {
        "package": "pdfco-mcp",
        "version": version("pdfco-mcp"),
        "tools": len(tools),
        "characters": characters(tools),
        "characters_without_output_schemas": characters(bare),
    }
    if "--write" in sys.argv:
        (fixtures / "size.json").write_text(json.dumps(size, indent=2) + "\n")
        write_arguments(fixtures / "tools.json", tools)
    kept = json.loads((fixtures / "size.json").read_text())
    if kept != size:
        sys.exit(f"fixtures/official-server/size.json says {kept}, the server shows {size}")
    ours = {tool["name"]: tool for tool in json.loads((fixtures / "tools.json").read_text())}
    theirs = {tool["name"]: tool["inputSchema"] for tool in tools}
    wrong = sorted(ours.keys() ^ theirs.keys())
    for name, schema in theirs.items():
        known = ours.get(name, {})
        same = sorted(known.get("arguments", [])) == sorted(schema["properties"])
        if not same or sorted(known.get("required", [])) != sorted(schema.get("required", [])):
            wrong.append(name)
    if wrong:
        sys.exit(f"fixtures/official-server/tools.json is not what the server shows: {wrong}")
    print(f"{size['package']} {size['version']}: {len(tools)} tools, {size['characters']} characters, as kept")


if __name__ == "__main__":
    main()
