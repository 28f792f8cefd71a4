"""The expressions of monitoring/: of its rules and of its dashboards' panels, and what tests do to them."""

import json
import os
import pathlib
import re

import yaml

SOURCE = pathlib.Path(os.environ["PULMO_SOURCE_DIR"])
MONITORING = SOURCE / "monitoring"
DASHBOARDS = sorted((MONITORING / "grafana/dashboards").glob("*.json"))
RULES = sorted((MONITORING / "rules").glob("*.yml"))
SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


def rules():
    """All rules: (group's file, rule)."""
    for path in RULES:
        for group in yaml.safe_load(path.read_text())["groups"]:
            for rule in group["rules"]:
                yield path, rule


def alerts():
    return [(path, rule) for path, rule in rules() if "alert" in rule]


def panels():
    """All panels that are not headings: (dashboard's file, panel)."""
    for path in DASHBOARDS:
        for panel in json.loads(path.read_text())["panels"]:
            if panel["type"] != "row":
                yield path, panel


def filled_in(expression):
    """As Grafana sends it, with everything selected."""
    for variable, value in (("$__rate_interval", "1m"), ("$__range", "1h"), ("$instance", ".+"), ("$model", ".+")):
        expression = expression.replace(variable, value)
    assert "$" not in expression, expression
    return expression


def always_answering(expression):
    """An alert's condition as a number, 0 or 1, for each series that it judges: an unmet condition is no result otherwise."""
    parts = re.split(r"(\{[^}]*\})", expression)  # matchers have comparisons of their own
    return "".join(part if part.startswith("{") else re.sub(r"(==|!=|<=|>=|<|>)(?! *bool)", r"\1 bool", part)
                   for part in parts)


def faster(text, factor):
    """Configuration or rules with every duration (`for: 5m`, `[5m]`, `scrape_interval: 15s`) divided by the factor: the same
    rules in a world where time runs so much faster. Numbers of seconds within expressions stay."""
    def shorten(match):
        return f"{match[1]}{round(float(match[2]) * SECONDS[match[3]] * 1000 / factor)}ms"

    return re.sub(r"(\[|for: |_interval: )(\d+)(ms|[smhd])\b", shorten, text)
