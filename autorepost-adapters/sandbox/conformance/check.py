"""Holds recorded requests against the vendors' contracts: contract.toml, Google's discovery document (of google-api-python-client) and,
where it is given, X's OpenAPI document. Fails with each request that nobody documents, and with each operation that was not seen.

    check.py RECORD [--x-spec FILE]
"""

import argparse
import collections
import json
import os
import pathlib
import re
import sys
import tomllib

import googleapiclient
import jsonschema_rs

HERE = pathlib.Path(__file__).parent
DISCOVERY = pathlib.Path(googleapiclient.__file__).parent / "discovery_cache/documents/youtube.v3.json"
# Requests of one kind that are wrong in one way are told once.
PROBLEMS_MAX = 40


class Contract:
    def __init__(self, x_spec=None):
        table = tomllib.loads((HERE / "contract.toml").read_text())
        self.operations, self.common = table["operation"], set(table["headers"])
        self.discovery = Discovery(json.loads(DISCOVERY.read_text()))
        self.openapi = OpenApi(json.loads(pathlib.Path(x_spec).read_text())) if x_spec else None

    def match(self, line):
        """The operation that a request is, or what is wrong with it."""
        candidates = {
            name: operation
            for name, operation in self.operations.items()
            if line["host"] in operation["at"] and route(operation["request"]).fullmatch(f"{line['method']} {line['path']}")
        }
        if not candidates:
            return None, [f"{line['host']} has no documented {line['method']} {line['path']}"]
        told = {name: self.problems(operation, line) for name, operation in candidates.items()}
        name = min(told, key=lambda name: len(told[name]))
        return name, told[name]

    def problems(self, operation, line):
        return [*self.of_table(operation, line), *self.of_documents(operation, line)]

    def of_table(self, operation, line):
        scheme = line["headers"].get("authorization", "").split(" ")[0]
        if scheme not in operation.get("scheme", [""]):
            yield f"the authorization is {scheme or 'absent'}, and should be {operation.get('scheme', 'absent')}"
        # What a document describes in full needs no table.
        for place in ["query", "form", "json", "parts"]:
            if place == "query" and "discovery" in operation or place == "json" and "discovery" in operation:
                continue
            yield from fields(place, operation.get(place, {}), values(line.get(place)))
        wanted = operation.get("headers", {})
        others = {name for name in line["headers"] if name not in self.common | {"authorization"}}
        known = {name.rstrip("?") for name in wanted}
        yield from (f"the header {name} is not documented; known are {sorted(known)}" for name in sorted(others - known))
        yield from fields("headers", wanted, {name: value for name, value in line["headers"].items() if name in known})

    def of_documents(self, operation, line):
        if method := operation.get("discovery"):
            yield from self.discovery.problems(method, line)
        if operation.get("openapi") and self.openapi:
            yield from self.openapi.problems(line, operation.get("besides", []))


def route(request):
    """A path with names for segments, as an expression."""
    return re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(request)))


def values(place):
    """The names and values of a place, as text."""
    if place is None:
        return {}
    if isinstance(place, dict):
        return {name: value if isinstance(value, str) else json.dumps(value) for name, value in place.items()}
    return dict(place) if place and not isinstance(place[0], str) else dict.fromkeys(place, "")


def fields(place, table, told):
    known = {name.rstrip("?"): pattern for name, pattern in table.items()}
    for name, value in told.items():
        if name not in known:
            yield f"{place} has {name}, which is not documented; known are {sorted(known)}"
        elif isinstance(known[name], list):
            yield from (f"{place} asks in {name} for {one}; known are {known[name]}" for one in value.split(",") if one not in known[name])
        elif known[name] and value != "***" and not re.fullmatch(known[name], value):
            yield f"{place} has {name}={value!r}, which is not {known[name]}"
    yield from (f"{place} lacks {name}" for name in table if not name.endswith("?") and name not in told)


class Discovery:
    """Google's document: parameters of methods, and schemas of what is sent and answered."""

    def __init__(self, document):
        self.document = document

    def method(self, name):
        resource, method = name.split(".")
        return self.document["resources"][resource]["methods"][method]

    def problems(self, name, line):
        method = self.method(name)
        known = method["parameters"] | self.document["parameters"]
        told = dict(line["query"])
        paths = [protocol["path"] for protocol in method.get("mediaUpload", {}).get("protocols", {}).values()]
        if line["path"] not in [*paths, f"/{method['flatPath']}"]:
            yield f"{name} is at {[method['flatPath'], *paths]}"
        for parameter, value in told.items():
            if parameter not in known:
                yield f"query has {parameter}, which {name} does not have; known are {sorted(known)}"
                continue
            shape = known[parameter]
            if shape["type"] == "boolean" and value not in ["true", "false"]:
                yield f"query has {parameter}={value!r}, which is no boolean"
            if shape["type"] == "integer" and not float(shape.get("minimum", 0)) <= int(value) <= float(shape.get("maximum", 1e18)):
                yield f"query has {parameter}={value!r}, which is not {shape['minimum']} to {shape['maximum']}"
        yield from (f"query lacks {parameter}" for parameter, shape in known.items() if shape.get("required") and parameter not in told)
        answer = method.get("response", {}).get("$ref")
        if "part" in told:
            resource = self.schema(answer)["properties"]
            resource = self.schema(resource["items"]["items"]["$ref"])["properties"] if "items" in resource else resource
            yield from (f"query asks for the part {part}" for part in told["part"].split(",") if part not in resource)
            sent = line.get("json") or {}
            # A part that is named and not sent is emptied; one that is sent and not named is refused.
            yield from (f"json has {part}, which part does not name" for part in sent if part not in told["part"].split(","))
        if "json" in line:
            yield from self.shape(self.schema(method["request"]["$ref"]), line["json"], "json")
        if line.get("status") in [200, 201] and line.get("answer") is not None:
            yield from self.shape(self.schema(answer), line["answer"], "the sandbox's answer")

    def schema(self, name):
        return self.document["schemas"][name]

    def shape(self, schema, value, at):
        if "$ref" in schema:
            schema = self.schema(schema["$ref"])
        kinds = {"object": dict, "array": list, "boolean": bool, "integer": int, "number": (int, float), "string": str}
        kind = schema.get("type")
        if kind in kinds and not isinstance(value, kinds[kind]):
            yield f"{at} is no {kind}"
        elif "enum" in schema and value not in schema["enum"]:
            yield f"{at} is {value!r}; known are {schema['enum']}"
        elif kind == "array":
            for item in value:
                yield from self.shape(schema["items"], item, f"{at}[]")
        elif kind == "object" and "properties" in schema:
            for name, one in value.items():
                if name in schema["properties"]:
                    yield from self.shape(schema["properties"][name], one, f"{at}.{name}")
                else:
                    yield f"{at} has {name}, which is not documented; known are {sorted(schema['properties'])}"


class OpenApi:
    """X's document."""

    def __init__(self, document):
        self.document = document

    def problems(self, line, besides):
        found = [
            item[line["method"].lower()]
            for path, item in self.document["paths"].items()
            # What is fixed comes before what is named: /2/users/me is no user.
            if route(path).fullmatch(line["path"]) and line["method"].lower() in item
        ]
        operation = min(found, key=lambda operation: sum(one.get("in") == "path" for one in self.parameters(operation)), default=None)
        if operation is None:
            yield f"X's document has no {line['method']} {line['path']}"
            return
        known = {one["name"] for one in self.parameters(operation) if one["in"] == "query"}
        yield from (f"query has {name}; X's document has {sorted(known)}" for name, _ in line["query"] if name not in known | set(besides))
        body = operation.get("requestBody", {}).get("content", {})
        if "json" in line:
            yield from self.shape(body.get("application/json", {}).get("schema"), line["json"], "json")
        if "parts" in line:
            form = self.resolve(body.get("multipart/form-data", {}).get("schema", {}))
            yield from (f"parts have {name}" for name in line["parts"] if name not in form.get("properties", {}))
        answer = operation["responses"].get(str(line.get("status")), {}).get("content", {})
        if 200 <= line.get("status", 0) < 300:
            yield from self.shape(answer.get("application/json", {}).get("schema"), line.get("answer"), "the sandbox's answer")

    def resolve(self, value):
        while "$ref" in value:
            at = self.document
            for key in value["$ref"].removeprefix("#/").split("/"):
                at = at[key]
            value = at
        return value

    def parameters(self, operation):
        return [self.resolve(one) for one in operation.get("parameters", [])]

    def shape(self, schema, value, at):
        if schema is None:
            yield f"{at} is not documented at all"
            return
        whole = schema | {"components": self.document["components"]}
        for error in jsonschema_rs.Draft4Validator(whole).iter_errors(value):
            yield f"{at}: {error.message} at {'/'.join(map(str, error.instance_path)) or 'its top'}"


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    arguments.add_argument("record", type=pathlib.Path)
    arguments.add_argument("--x-spec", default=os.environ.get("X_OPENAPI"), help="X's OpenAPI document")
    options = arguments.parse_args()
    contract = Contract(options.x_spec)
    seen, wrong = collections.Counter(), {}
    for text in options.record.read_text().splitlines():
        line = json.loads(text)
        name, problems = contract.match(line)
        seen[name] += 1
        for problem in problems:
            wrong.setdefault((name, problem), line)
    unseen = [name for name in contract.operations if not seen[name]]
    for (name, problem), line in list(wrong.items())[:PROBLEMS_MAX]:
        print(f"{name or 'unknown'}: {problem}\n    {json.dumps(line)[:1000]}", file=sys.stderr)
    for name in unseen:
        print(f"{name}: nothing sent it, so nothing is known of it", file=sys.stderr)
    against = "discovery document" + (", OpenAPI document of X" if contract.openapi else "")
    print(
        f"requests: {seen.total()} of {len(contract.operations) - len(unseen)} operations, {len(wrong)} problems "
        f"(contract.toml, {against})"
    )
    return 1 if wrong or unseen or not seen else 0


if __name__ == "__main__":
    sys.exit(main())
