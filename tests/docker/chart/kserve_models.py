"""Which fields KServe's objects have, read from the models in its Python package without running them:
each is a class with two tables, openapi_types and attribute_map."""

import ast
import pathlib
import re


def tables(path):
    """{'openapi_types': {...}, 'attribute_map': {...}, 'class': name} of a model's file, or None."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.ClassDef):
            continue
        found = {"class": node.name}
        for statement in node.body:
            if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Dict):
                found[statement.targets[0].id] = ast.literal_eval(statement.value)
        if "attribute_map" in found:
            return found
    return None


class Models:
    def __init__(self, folder):
        self.fields = {}  # class -> {name in YAML: type}
        for path in pathlib.Path(folder).glob("*.py"):
            found = tables(path)
            if found:
                names = found["attribute_map"]
                self.fields[found["class"]] = {names[key]: kind for key, kind in found["openapi_types"].items()}

    def problems(self, thing, kind, where=""):
        """What in a thing is not as the type says; types of Kubernetes' own are left to others."""
        listed = re.fullmatch(r"list\[(.*)\]", kind)
        mapped = re.fullmatch(r"dict\(str, (.*)\)", kind)
        if listed:
            if not isinstance(thing, list):
                return [f"{where} is no list"]
            return [p for i, one in enumerate(thing) for p in self.problems(one, listed.group(1), f"{where}[{i}]")]
        if mapped:
            return [p for key, one in thing.items() for p in self.problems(one, mapped.group(1), f"{where}.{key}")]
        if kind in ("str", "int", "bool"):
            return [] if type(thing).__name__ == kind else [f"{where} is no {kind}"]
        if kind not in self.fields:
            return []
        known = self.fields[kind]
        unknown = [f"{where}.{name} is unknown to {kind}" for name in thing if name not in known]
        return unknown + [p for name, one in thing.items() if name in known for p in self.problems(one, known[name], f"{where}.{name}")]
