"""Dashboards as pictures without Grafana: their queries, answered by Prometheus and drawn as a page of HTML."""
