"""Rules and dashboards as texts: promtool's checks and rule tests, runbook, names of metrics, form of the panels."""

import json
import pathlib
import re
import subprocess
import tempfile
import unittest

import yaml

import expressions
from expressions import DASHBOARDS, MONITORING, RULES, SOURCE, alerts, panels, rules

HISTOGRAM_PARTS = re.compile(r"_(bucket|sum|count)$")


def promtool(*arguments):
    return subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True, timeout=120)


def documented_metrics():
    """name -> labels, of docs/metrics.md."""
    rows = re.findall(r"^\| `(\w+)(?:\{([\w, ]+)\})?` \| \w+ \|", (SOURCE / "docs/metrics.md").read_text(), re.M)
    return {name: set(labels.replace(" ", "").split(",")) - {""} for name, labels in rows}


def rule_tests(of=""):
    return sorted((MONITORING / "tests").glob(f"{of}*.yml"))


class Rules(unittest.TestCase):
    def test_promtool_accepts_the_configuration_and_the_rules(self):
        for done in (promtool("check", "config", MONITORING / "prometheus.yml"), promtool("check", "rules", *RULES)):
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn(f"{len(RULES)} rule files found", promtool("check", "config", MONITORING / "prometheus.yml").stdout)

    def test_rule_tests_pass(self):
        done = promtool("test", "rules", *rule_tests())
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_rule_tests_notice_a_broken_rule(self):
        for path in RULES:
            broken = re.sub(r"(?<=[<>=] )[\d.]+", lambda match: str(float(match[0]) + 1e6), path.read_text())
            for case in rule_tests(path.stem):
                with tempfile.TemporaryDirectory() as name:
                    folder = pathlib.Path(name)
                    for part, file, text in (("rules", path.name, broken), ("tests", case.name, case.read_text())):
                        (folder / part).mkdir()
                        (folder / part / file).write_text(text)
                    self.assertNotEqual(promtool("test", "rules", folder / "tests" / case.name).returncode, 0, case.name)

    def test_each_alert_is_seen_to_fire(self):
        for path, rule in alerts():
            cases = [case for file in rule_tests(path.stem) for test in yaml.safe_load(file.read_text())["tests"]
                     for case in test.get("alert_rule_test", []) if case["alertname"] == rule["alert"]]
            self.assertTrue(any(case.get("exp_alerts") for case in cases), rule["alert"])

    def test_each_alert_has_its_paragraph_in_the_runbook(self):
        runbook = (SOURCE / "docs/runbook.md").read_text()
        headings = re.findall(r"^### (\w+)$", runbook, re.M)
        self.assertEqual(sorted(headings), sorted(rule["alert"] for _, rule in alerts()))
        for _, rule in alerts():
            self.assertEqual(rule["annotations"]["runbook"], f"docs/runbook.md#{rule['alert'].lower()}")
            self.assertIn(rule["labels"]["severity"], ("page", "ticket"))
            paragraph = runbook.split(f"### {rule['alert']}\n")[1].split("\n#")[0]
            for part in ("**Means:**", "**Look:**", "**Do:**"):
                self.assertIn(part, paragraph, rule["alert"])

    def test_expressions_name_documented_metrics_and_labels(self):
        known = documented_metrics()
        sources = [rule["expr"] for _, rule in rules()]
        sources += [target["expr"] for _, panel in panels() for target in panel["targets"]]
        for expression in sources:
            for name, matchers in re.findall(r"(?<![:\w])((?:pulmo|process)_\w+)(?:\{([^}]*)\})?", expression):
                name = HISTOGRAM_PARTS.sub("", name) if name not in known else name
                self.assertIn(name, known, expression)
                labels = set(re.findall(r"(\w+) *(?:=~|!~|!=|=)", matchers)) - {"job", "instance", "le"}
                self.assertLessEqual(labels, known[name], expression)
        recorded = {rule["record"] for _, rule in rules() if "record" in rule}
        used = {name for expression in sources for name in re.findall(r"\w+:pulmo\w+:\w+", expression)}
        self.assertLessEqual(used, recorded)


class Dashboards(unittest.TestCase):
    def test_panels_say_what_they_show(self):
        self.assertEqual([path.stem for path in DASHBOARDS], ["model", "service", "training"])
        for path, panel in panels():
            where = f"{path.name}: {panel['title']}"
            self.assertGreater(len(panel["description"]), 10, where)
            self.assertTrue(panel["fieldConfig"]["defaults"]["unit"], where)
            self.assertTrue(panel["targets"], where)
            for target in panel["targets"]:
                self.assertEqual(target["datasource"]["uid"], "${datasource}", where)
                expressions.filled_in(target["expr"])

    def test_panels_lie_side_by_side(self):
        for path in DASHBOARDS:
            taken = set()
            for panel in json.loads(path.read_text())["panels"]:
                place = panel["gridPos"]
                cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                         for y in range(place["y"], place["y"] + place["h"])}
                self.assertFalse(cells & taken, f"{path.name}: {panel['title']}")
                self.assertLessEqual(place["x"] + place["w"], 24)
                taken |= cells

    def test_numbers_and_names_are_unique(self):
        uids = [json.loads(path.read_text())["uid"] for path in DASHBOARDS]
        self.assertEqual(len(set(uids)), len(uids))
        for path in DASHBOARDS:
            ids = [panel["id"] for panel in json.loads(path.read_text())["panels"]]
            self.assertEqual(len(set(ids)), len(ids), path.name)


class Expressions(unittest.TestCase):
    """What the live test does to expressions."""

    def test_conditions_become_numbers(self):
        self.assertEqual(expressions.always_answering('a{x!="1",y=~">"} > 0.5 and b == 1'),
                         'a{x!="1",y=~">"} > bool 0.5 and b == bool 1')

    def test_time_runs_faster(self):
        self.assertEqual(expressions.faster("for: 5m\nexpr: rate(x[1h]) > 300\nscrape_interval: 15s", 60),
                         "for: 5000ms\nexpr: rate(x[60000ms]) > 300\nscrape_interval: 250ms")


if __name__ == "__main__":
    unittest.main(verbosity=2)
