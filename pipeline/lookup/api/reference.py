"""The documentation page at `/schema`: the OpenAPI document as plain HTML, which loads nothing from anywhere."""

from collections.abc import Iterator, Sequence
from html import escape
from typing import Any, Final

from litestar import Request
from litestar.openapi.plugins import OpenAPIRenderPlugin

_METHODS: Final = ("get", "post", "put", "patch", "delete")
_STYLE: Final = """
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 18%, transparent) }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 2rem 1rem 6rem }
h1 { margin: 0 } h2 { margin: 3rem 0 .5rem } h3 { margin: 2.5rem 0 .25rem; font-size: 1rem; overflow-wrap: anywhere }
p { margin: .25rem 0 .75rem } code, h3 { font-family: ui-monospace, monospace } code { font-size: .9em }
.method { display: inline-block; min-width: 4em; color: light-dark(#0b57a4, #8ab8ff) }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1rem; font-size: .9rem }
th, td { text-align: left; vertical-align: top; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--line) }
th { font-weight: 600 } td:first-child { white-space: nowrap } td { overflow-wrap: anywhere }
a { color: inherit }
nav { columns: 18rem; margin: 1.5rem 0; font-size: .9rem } nav a { display: block; text-decoration: none }
nav a:hover { text-decoration: underline } .scroll { overflow-x: auto }
"""


class ReferencePlugin(OpenAPIRenderPlugin):
    """Renders every operation and every type."""

    def __init__(self) -> None:
        super().__init__(path="/")

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:  # noqa: ARG002
        """Return the page."""
        return "".join(_page(openapi_schema)).encode()


class _Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def _page(document: dict[str, Any]) -> Iterator[str]:
    info = document["info"]
    operations = [
        (method, path, item[method])
        for path, item in sorted(document["paths"].items(), key=_place)
        for method in _METHODS
        if method in item
    ]
    title = escape(f"{info['title']} {info['version']}")
    yield f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}: HTTP</title>'
    yield f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>'
    yield f"<h1>{title}</h1><p>{escape(info.get('description', ''))}</p>"
    yield '<p>For programs: <a href="/schema/openapi.json">OpenAPI</a>, '
    yield '<a href="/schema/asyncapi.json">AsyncAPI</a> (topics and streams).</p><nav>'
    for method, path, _ in operations:
        yield f'<a href="#{_anchor(method, path)}"><code>{method.upper()} {escape(path)}</code></a>'
    yield "</nav><h2>Requests</h2>"
    for method, path, operation in operations:
        yield from _operation(method, path, operation)
    yield "<h2>Types</h2>"
    for name, schema in sorted(document.get("components", {}).get("schemas", {}).items()):
        yield from _type(name, schema)


def _place(item: tuple[str, Any]) -> tuple[bool, str]:
    path = item[0]
    return not path.startswith("/v1/"), path


def _operation(method: str, path: str, operation: dict[str, Any]) -> Iterator[str]:
    yield f'<h3 id="{_anchor(method, path)}"><span class="method">{method.upper()}</span> {escape(path)}</h3>'
    yield f"<p>{_prose(operation.get('description') or operation.get('summary', ''))}</p>"
    parameters = [
        (one["name"], one["in"], _shape(one.get("schema", {})), one.get("description", ""))
        for one in operation.get("parameters", ())
    ]
    yield from _table(("parameter", "in", "type", ""), parameters)
    body = operation.get("requestBody", {}).get("content", {})
    answers = [(status, *_content(answer)) for status, answer in sorted(operation.get("responses", {}).items())]
    yield from _table(("body", "type"), [(kind, _shape(part.get("schema", {}))) for kind, part in body.items()])
    yield from _table(("answer", "type", ""), answers)


def _content(answer: dict[str, Any]) -> tuple[str, str]:
    shapes = (_shape(part.get("schema", {})) for part in answer.get("content", {}).values())
    return _Html(", ".join(shapes)), answer.get("description", "")


def _type(name: str, schema: dict[str, Any]) -> Iterator[str]:
    yield f'<h3 id="{escape(name)}">{escape(name)}</h3><p>{_prose(schema.get("description", ""))}</p>'
    required = schema.get("required", ())
    fields = [
        (field, _Html(_shape(of) + ("" if field in required else " (optional)")), of.get("description", ""))
        for field, of in schema.get("properties", {}).items()
    ]
    yield from _table(("field", "type", ""), fields)


def _table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    if not rows:
        return
    yield '<div class="scroll"><table><tr>' + "".join(f"<th>{head}</th>" for head in heads) + "</tr>"
    for row in rows:
        first, *others = row
        yield f"<tr><td><code>{escape(first)}</code></td>"
        yield "".join(f"<td>{other if isinstance(other, _Html) else _prose(other)}</td>" for other in others) + "</tr>"
    yield "</table></div>"


def _shape(schema: dict[str, Any]) -> str:
    """Return the type of a value in few words."""
    return _Html(f"<code>{_words(schema)}</code>") if schema else ""


def _words(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#{name}">{name}</a>'
    for several in ("oneOf", "anyOf"):
        if several in schema:
            return " or ".join(_words(one) for one in schema[several])
    if "enum" in schema:
        return " or ".join(escape(str(value)) for value in schema["enum"])
    kind = schema.get("type", "any")
    if kind == "array":
        return f"list of {_words(schema.get('items', {}))}"
    limits = [f"{sign} {schema[name]:g}" for name, sign in _LIMITS.items() if name in schema]
    return escape(" ".join([" or ".join(kind) if isinstance(kind, list) else str(kind), *limits]))


_LIMITS: Final = {"minimum": "≥", "maximum": "≤", "maxLength": "of at most"}


def _prose(text: str) -> str:
    """Return text as HTML, with what stands in backquotes as code."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if number % 2 else part for number, part in enumerate(parts))


def _anchor(method: str, path: str) -> str:
    return escape(f"{method}-{path.strip('/').replace('/', '-').replace('{', '').replace('}', '')}")
