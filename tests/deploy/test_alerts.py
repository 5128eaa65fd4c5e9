"""Each alert fires when it should and not otherwise, by Prometheus' own evaluation."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.stack import ROOT

ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yml"
WORKER, GATEWAY = '{job="worker",instance="w:9100"}', '{job="gateway",instance="g:9000"}'
FAILED = '{job="gateway",instance="g:9000",state="failed"}'
REFUSED = '{job="gateway",instance="g:9000",reason="journals"}'
BUCKETS = 'coffeeshop_publish_confirm_seconds_bucket{job="worker",instance="w:9100",le='
HEALTHY = {
    f"up{WORKER}": "1x120",
    f"up{GATEWAY}": "1x120",
    'up{job="rabbitmq",instance="rabbitmq:15692"}': "1x120",
    f"coffeeshop_broker_connected{WORKER}": "1x120",
    f"coffeeshop_blocked{WORKER}": "0x120",
    f"coffeeshop_unconfirmed{WORKER}": "3x120",
    f"coffeeshop_publish_confirm_seconds_count{WORKER}": "0+60x120",
    f'{BUCKETS}"1.0"}}': "0+60x120",
    f'{BUCKETS}"10.0"}}': "0+60x120",
    f'{BUCKETS}"+Inf"}}': "0+60x120",
    f"coffeeshop_reconnects_total{WORKER}": "2x120",
    f"coffeeshop_restarts_total{WORKER}": "3x120",
    f"process_start_time_seconds{WORKER}": "1000x120",
    f"coffeeshop_sessions_ended_total{FAILED}": "1x120",
    f"coffeeshop_oldest_uploaded_session_seconds{GATEWAY}": "60x120",
    f"coffeeshop_longest_record_seconds{WORKER}": "0.5x120",
    f"coffeeshop_sessions_unreleased{GATEWAY}": "0x120",
    f"coffeeshop_sessions_unexpired{GATEWAY}": "0x120",
    f"coffeeshop_requests_refused_total{REFUSED}": "5x120",
    f"process_resident_memory_bytes{WORKER}": "500000000x120",
    f"coffeeshop_memory_limit_bytes{WORKER}": "4000000000x120",
    f"process_open_fds{WORKER}": "100x120",
    f"process_max_fds{WORKER}": "1000x120",
    f"coffeeshop_event_loop_delay_seconds{GATEWAY}": "0.001x120",
    f"coffeeshop_reconciler_age_seconds{GATEWAY}": "0.4x120",
}
WRONG = {
    "CoffeeshopNodeDown": ({f"up{WORKER}": "0x120"}, {"CoffeeshopNoWorker"}),
    "CoffeeshopNoWorker": ({f"up{WORKER}": None}, set()),
    "CoffeeshopNoGateway": ({f"up{GATEWAY}": None}, set()),
    "CoffeeshopBrokerDown": ({'up{job="rabbitmq",instance="rabbitmq:15692"}': "0x120"}, set()),
    "CoffeeshopBrokerDisconnected": ({f"coffeeshop_broker_connected{WORKER}": "0x120"}, set()),
    "CoffeeshopBrokerBlocked": ({f"coffeeshop_blocked{WORKER}": "1x120"}, set()),
    "CoffeeshopNothingConfirmed": (
        {f"coffeeshop_publish_confirm_seconds_count{WORKER}": "9x120"},
        set(),
    ),
    "CoffeeshopConfirmationsSlow": ({f'{BUCKETS}"1.0"}}': "0+50x120"}, set()),
    "CoffeeshopReconnecting": ({f"coffeeshop_reconnects_total{WORKER}": "0+2x120"}, set()),
    "CoffeeshopRestartStorm": ({f"coffeeshop_restarts_total{WORKER}": "0+3x120"}, set()),
    "CoffeeshopProcessesRestart": (
        {f"process_start_time_seconds{WORKER}": "1000+60x120"},
        set(),
    ),
    "CoffeeshopSessionsFail": (
        {f"coffeeshop_sessions_ended_total{FAILED}": "0+1x120"},
        set(),
    ),
    "CoffeeshopSessionStuck": (
        {f"coffeeshop_oldest_uploaded_session_seconds{GATEWAY}": "0+60x120"},
        set(),
    ),
    "CoffeeshopTaskHangs": ({f"coffeeshop_longest_record_seconds{WORKER}": "0+60x120"}, set()),
    "CoffeeshopInputNotDeleted": ({f"coffeeshop_sessions_unreleased{GATEWAY}": "1x120"}, set()),
    "CoffeeshopResultsNotDeleted": ({f"coffeeshop_sessions_unexpired{GATEWAY}": "1x120"}, set()),
    "CoffeeshopRequestsRefused": (
        {f"coffeeshop_requests_refused_total{REFUSED}": "0+120x120"},
        set(),
    ),
    "CoffeeshopMemoryNearLimit": (
        {f"process_resident_memory_bytes{WORKER}": "3900000000x120"},
        set(),
    ),
    "CoffeeshopDescriptorsNearLimit": ({f"process_open_fds{WORKER}": "900x120"}, set()),
    "CoffeeshopEventLoopSlow": (
        {f"coffeeshop_event_loop_delay_seconds{GATEWAY}": "0.9x120"},
        set(),
    ),
    "CoffeeshopSessionsUnattended": (
        {f"coffeeshop_reconciler_age_seconds{GATEWAY}": "0+60x120"},
        set(),
    ),
}
"""What is wrong, by the alert that says so, and which others say it too."""


def names() -> list[str]:
    found = yaml.safe_load(ALERTS.read_text())
    return [rule["alert"] for group in found["groups"] for rule in group["rules"]]


def test_every_alert_is_tried() -> None:
    assert list(WRONG) == names()


def firing(directory: Path, series: dict[str, str | None]) -> set[str]:
    """The alerts that fire after two hours of these values, one a minute."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed (Debian: apt install prometheus)")
    given = [{"series": name, "values": values} for name, values in series.items() if values]
    expr = 'sum by (alertname) (ALERTS{alertstate="firing"} offset 1m)'
    test: dict[str, Any] = {
        "interval": "1m",
        "input_series": given,
        "promql_expr_test": [{"expr": expr, "eval_time": "118m", "exp_samples": []}],
    }
    file = directory / "test.yml"
    whole = {"rule_files": [str(ALERTS)], "evaluation_interval": "1m", "tests": [test]}
    file.write_text(yaml.safe_dump(whole))
    done = subprocess.run(
        [program, "test", "rules", str(file)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0 or "got:" in said, said
    return {name for name in names() if f'alertname="{name}"' in said}


def test_no_alert_fires_where_all_is_well(tmp_path: Path) -> None:
    assert firing(tmp_path, dict(HEALTHY)) == set()


@pytest.mark.parametrize("alert", WRONG)
def test_an_alert_fires_for_what_it_is_there_for(tmp_path: Path, alert: str) -> None:
    changed, others = WRONG[alert]
    assert firing(tmp_path, {**HEALTHY, **changed}) == {alert, *others}
