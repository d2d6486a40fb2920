"""Messages that keep each contract, written after the vendors' descriptions, not after the schemas."""

from __future__ import annotations

from typing import Any

KEY = "0123456789abcdef0123456789ABCDEF"

TRIGGER = {
    "routing_key": KEY,
    "event_action": "trigger",
    "dedup_key": "shop:" + "k" * 250,
    "client": "Shop monitoring",
    "client_url": "https://shop.example/monitoring",
    "links": [{"href": "https://shop.example/runbook", "text": "Runbook"}, {"href": "https://shop.example"}],
    "images": [{"src": "https://shop.example/graph.png", "href": "https://shop.example", "alt": "requests"}],
    "payload": {
        "summary": "s" * 1024,
        "source": "www.shop.example",
        "severity": "critical",
        "timestamp": "2026-03-01T08:42:58.315+0000",
        "component": "front",
        "group": "shop",
        "class": "availability",
        "custom_details": {"agents": ["Berlin", "Oslo"], "loss": 40.5, "nested": {"deep": None}},
    },
    "a field nobody knows": {"is": "ignored"},
}
RESOLVE = {"routing_key": KEY, "event_action": "resolve", "dedup_key": "shop:1"}
ACKNOWLEDGE = {"routing_key": KEY, "event_action": "acknowledge", "dedup_key": "shop:1", "payload": None}
V1_TRIGGER = {
    "service_key": "0123456789abcdef0123456789abcdef",
    "event_type": "trigger",
    "incident_key": "i" * 255,
    "description": "d" * 1024,
    "details": {"load": 0.9},
    "client": "old monitoring",
    "client_url": "https://shop.example",
    "contexts": [
        {"type": "link", "href": "https://shop.example", "text": "Shop"},
        {"type": "image", "src": "https://shop.example/graph.png", "href": "https://shop.example", "alt": "graph"},
    ],
}
CHANGE = {
    "routing_key": KEY,
    "payload": {
        "summary": "Deployed 4.2",
        "source": "ci",
        "timestamp": "2026-03-01T08:42:58Z",
        "custom_details": {"build": 7},
    },
    "links": [{"href": "https://shop.example/builds/7"}],
    "images": [{"src": "https://shop.example/badge.png"}],
}
PLACE = {
    "dateStart": "2026-03-02 10:04:00",
    "active": 1,
    "metricsAtStart": "Response Code: 503",
    "metricsAtEnd": "",
    "permalink": "https://app.thousandeyes.com/alerts/list/?__a=1001&alertId=5abda706-c065-40fa-aa8c-059c3ac1ea9d&agentId=3",
    "agentId": 3,
    "agentName": "Singapore",
}
ALERT = {
    "alertId": "5abda706-c065-40fa-aa8c-059c3ac1ea9d",
    "ruleId": 127094,
    "ruleName": "shop is down",
    "ruleAid": 1001,
    "ruleExpression": "Response Code is server error (5xx)",
    "type": "HTTP Server",
    "severity": "Major",
    "dateStart": "2026-03-02 10:04:00",
    "dateStartZoned": "2026-03-02 10:04:00 UTC",
    "active": 1,
    "violationCount": 1,
    "permalink": "https://app.thousandeyes.com/alerts/list/?__a=1001&alertId=5abda706-c065-40fa-aa8c-059c3ac1ea9d",
    "testId": 281474976710999,
    "testName": "shop front ",
    "testLabels": [{"id": 961, "name": "web"}],
    "testTargetsDescription": ["https://shop.example"],
    "apiLinks": [
        {"rel": "related", "href": "https://api.thousandeyes.com/v4/tests/281474976710999"},
        {"rel": "data", "href": "https://api.thousandeyes.com/v4/web/http-server/281474976710999"},
    ],
    "agents": [PLACE],
    "text": "a key of the user's own",
}
WEBHOOK = {
    "eventType": "ALERT_NOTIFICATION_TRIGGER",
    "eventId": "9437a575-4b00-44a2-899a-41d1134eef08--5abda706-c065-40fa-aa8c-059c3ac1ea9d",
    "alert": ALERT,
}
ENDED = {"dateEnd": "2026-03-02 10:48:00", "active": 0, "metricsAtEnd": "Response Code: 200"}
CLEARED = {
    **ALERT,
    "active": 0,
    "dateEnd": "2026-03-02 10:48:00",
    "dateEndZoned": "2026-03-02 12:48:00 CEST",
    "agents": [{**PLACE, **ENDED}],
}
CLEAR = {**WEBHOOK, "eventType": "ALERT_NOTIFICATION_CLEAR", "alert": CLEARED}
MONITOR = {name: value for name, value in PLACE.items() if not name.startswith("agent")} | {
    "monitorId": 7,
    "monitorName": "Oregon",
    "metricsAtStart": "Reachability: 0%",
}
BGP = {
    **WEBHOOK,
    "alert": {
        **{name: value for name, value in ALERT.items() if name != "agents"},
        "type": "BGP",
        "monitors": [MONITOR],
    },
}
OFFLINE = {
    "alertId": 562949955000593,
    "ruleId": 562949953553310,
    "ruleName": "Default Agent Offline Notification",
    "ruleAid": 1001,
    "ruleExpression": "Last Contact ≥ 6 minutes ago",
    "type": "Agent",
    "severity": "Info",
    "dateStart": "2026-03-02 04:28:40",
    "dateStartZoned": "2026-03-02 04:28:40 +03",
    "agentId": 562949953424211,
    "agentName": "branch-1",
    "hostname": "branch-1",
    "ipAddress": "192.0.2.7",
}
AGENT = {
    "eventType": "ALERT_NOTIFICATION_TRIGGER",
    "eventId": "562949953436734-562949955000593",
    "alert": OFFLINE,
    "agentAlert": OFFLINE,
}
BUTTON = {"eventType": "WEBHOOK_TEST", "eventId": "1772445840000"}
OLD_PAGE_LOAD = {
    "eventType": "ALERT_NOTIFICATION_TRIGGER",
    "eventId": "49-35541",
    "alert": {
        "alertId": 35541,
        "ruleName": "slow",
        "ruleExpression": "Page Load is incomplete",
        "testName": "shop",
        "testId": 5370,
        "type": "Page Load",
        "dateStart": "2014-11-01 01:01:47",
        "apiLinks": [{"rel": "related", "href": "http://api.thousandeyes.com/tests/5370"}],
        "agents": [{"agentId": 3, "agentName": "Oslo", "locationName": "Oslo", "metricsAtStart": "Page load: x"}],
    },
}
OLD_AGENT = {
    "eventType": "AGENT_ALERT_NOTIFICATION_CLEAR",
    "eventId": "50-9",
    "agentAlert": {
        "agentNotificationId": 9,
        "agentRuleId": 1,
        "agentId": 5,
        "dateStart": 1462000000,
        "dateEnd": 1462000600,
        "active": 0,
    },
}
DISABLED_2021 = {
    "eventType": "ALERT_NOTIFICATION_CLEAR",
    "eventId": "205646496-76947300",
    "alert": {
        "alertId": 76947300,
        "ruleAid": 0,
        "active": 2,
        "violationCount": 1,
        "dateEnd": "2021-05-04 10:00:00",
        "permalink": "https://app.thousandeyes.com/alerts/list?__a=0&alertId=76947300",
        "agents": [{"active": 2, "metricsAtEnd": "N/A (rule modified or removed from test)"}],
    },
}
REFUSED = {"status": "invalid event", "message": "Event object is invalid", "errors": ["Invalid routing key"]}
UNREADABLE = {
    "status": "Unrecognized object",
    "message": "Event object format is unrecognized",
    "errors": ["JSON parse error"],
}
PROBLEM = {
    "type": "about:blank",
    "title": "Request validation failed. There are invalid or missing fields",
    "status": 400,
    "detail": "Your request object contains invalid fields.",
    "instance": "/v7/tests/http-server",
    "errors": [{"code": "TEST-1001", "field": "interval", "message": "must be one of the allowed values"}],
}
UNAUTHORIZED = {"error": "invalid_token", "error_description": "Invalid access token"}
LEGACY = {"timestamp": 1772445840000, "status": 409, "httpStatus": 409, "errors": [], "text": "no", "path": "/v7/tags"}
REST_ERROR = {
    "error": {
        "message": "Invalid Input Provided",
        "code": 2001,
        "errors": ["Name has already been taken"],
        "required_scopes": "services.write",
        "token_scopes": "services.read",
    }
}
FIELD_ERRORS = {"error": {"message": "Invalid Schedule", "code": 3001, "errors": {"layers": ["too short"]}}}


def _reference(id: str, kind: str) -> dict[str, Any]:
    return {
        "id": id,
        "type": f"{kind}_reference",
        "summary": None,
        "self": f"https://api.pagerduty.com/{id}",
        "html_url": None,
    }


INCIDENT = {
    "id": "Q0INC00000001A",
    "type": "incident",
    "self": "https://api.pagerduty.com/incidents/Q0INC00000001A",
    "html_url": "https://example.pagerduty.com/incidents/Q0INC00000001A",
    "number": 1,
    "status": "triggered",
    "incident_key": None,
    "created_at": "2026-03-01T08:43:00Z",
    "title": "down",
    "service": _reference("PSVC001", "service"),
    "assignees": [_reference("PUSR001", "user")],
    "escalation_policy": _reference("PEP0001", "escalation_policy"),
    "teams": [_reference("PTEAM01", "team")],
    "priority": None,
    "urgency": "high",
    "conference_bridge": None,
    "resolve_reason": None,
}
TRIGGERED = {
    "event": {
        "id": "01DEXAMPLE0EVENT0ID0000001",
        "event_type": "incident.triggered",
        "resource_type": "incident",
        "occurred_at": "2026-03-01T08:43:00.512Z",
        "agent": _reference("PSVC001", "service"),
        "client": {"name": "ThousandEyes", "url": "https://app.example"},
        "data": INCIDENT,
    }
}


def _event(event_type: str, data: dict[str, Any], resource: str = "incident") -> dict[str, Any]:
    return {"event": {**TRIGGERED["event"], "event_type": event_type, "resource_type": resource, "data": data}}


ABOUT = _reference("Q0INC00000001A", "incident")
NOTE = {"incident": ABOUT, "id": "PNOTE01", "content": "looking", "trimmed": False, "type": "incident_note"}
UPDATE = {"incident": ABOUT, "id": "PSTU001", "message": "soon", "trimmed": True, "type": "incident_status_update"}
SERVICE = {
    "id": "PSVC001",
    "type": "service",
    "summary": "Shop",
    "self": "https://api.pagerduty.com/services/PSVC001",
    "html_url": "https://example.pagerduty.com/services/PSVC001",
    "teams": [_reference("PTEAM01", "team")],
}
PING = {"message": "Hello", "type": "ping"}
ANNOTATED = _event("incident.annotated", NOTE)
UPDATED = _event("incident.status_update_published", UPDATE)
SERVICE_CREATED = _event("service.created", SERVICE, "service")
PINGED = _event("pagey.ping", PING, "pagey") | {}
PINGED["event"] |= {"agent": None, "client": None}

#: Contract -> messages that keep it.
GOOD: dict[str, list[Any]] = {
    "pagerduty-event": [TRIGGER, RESOLVE, ACKNOWLEDGE],
    "pagerduty-event-accepted": [{"status": "success", "message": "Event processed", "dedup_key": "k"}],
    "pagerduty-event-refused": [REFUSED, UNREADABLE, "Invalid routing key"],
    "pagerduty-event-throttled": [
        {"status": "throttle exceeded", "message": "Please retry later.", "errors": ["Enhance Your Calm."]}
    ],
    "pagerduty-event-failed": [{"status": "not found", "message": "Not Found", "errors": ["no such path"]}],
    "pagerduty-change-event": [CHANGE],
    "pagerduty-change-event-accepted": [{"status": "success", "message": "Change event processed"}],
    "pagerduty-event-v1": [
        V1_TRIGGER,
        {"service_key": V1_TRIGGER["service_key"], "event_type": "resolve", "incident_key": "i"},
    ],
    "pagerduty-event-v1-accepted": [{"status": "success", "message": "Event processed", "incident_key": "i"}],
    "pagerduty-rest-error": [
        REST_ERROR,
        FIELD_ERRORS,
        {"error": {"message": "Rate Limit Exceeded", "code": 2020}},
        {"error": {"message": "no", "code": 2001, "errors": None}},
        {"error": "Only user tokens, this is an account-level access token"},
        {"error": ["not allowed"]},
    ],
    "pagerduty-webhook": [TRIGGERED, ANNOTATED, UPDATED, SERVICE_CREATED, PINGED],
    "thousandeyes-problem": [PROBLEM, {**PROBLEM, "errors": None}, UNAUTHORIZED, LEGACY],
    "thousandeyes-webhook": [WEBHOOK, CLEAR, BGP, AGENT, BUTTON, OLD_PAGE_LOAD, OLD_AGENT, DISABLED_2021],
    "thousandeyes-webhook-current": [WEBHOOK, CLEAR, BGP, AGENT, BUTTON],
}
