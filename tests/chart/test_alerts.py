"""The alerts of the chart, by Prometheus' own tool."""

import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.chart import rendering
from tests.tools import debian

RULES = rendering.CHART / "files/alerts.yaml"
CASES = Path(__file__).with_name("alerts.test.yaml")


def promtool(*arguments: str) -> str:
    command = [str(debian.program("promtool", package="prometheus")), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def alerts(rules: Any) -> list[str]:  # Any: YAML
    return [rule["alert"] for group in rules["groups"] for rule in group["rules"]]


def test_the_alerts_fire_when_they_should_and_else_are_silent() -> None:
    assert "SUCCESS" in promtool("test", "rules", str(CASES))


def test_every_alert_is_shown_to_fire() -> None:
    cases = yaml.safe_load(CASES.read_text())["tests"]
    shown = {
        each["alertname"]
        for case in cases
        for each in case["alert_rule_test"]
        if each["exp_alerts"]
    }
    assert shown == set(alerts(yaml.safe_load(RULES.read_text())))


def test_the_chart_ships_these_rules(tmp_path: Path) -> None:
    (rule,) = rendering.render(apis=rendering.MONITORING).of_kind("PrometheusRule")
    shipped = tmp_path / "rules.yaml"
    shipped.write_text(yaml.safe_dump(rule["spec"]))
    promtool("check", "rules", str(shipped))
    assert rule["spec"] == yaml.safe_load(RULES.read_text())
