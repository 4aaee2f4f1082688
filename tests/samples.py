"""Reading what `/metrics` answers."""

import httpx
from prometheus_client.parser import text_string_to_metric_families


class Samples:
    """The samples of one scrape. `value` wants one sample with just these labels; `of` is every one of a name."""

    def __init__(self, text: str) -> None:
        self.lines = text.splitlines()
        self.families = list(text_string_to_metric_families(text))
        self.all = [sample for family in self.families for sample in family.samples]

    def of(self, name: str) -> dict[tuple[str, ...], float]:
        """The values of a name by their labels' values, in the order of the labels' names."""
        found = [
            (tuple(sample.labels[key] for key in sorted(sample.labels)), sample.value)
            for sample in self.all
            if sample.name == name
        ]
        assert len(dict(found)) == len(found), f"{name} has a series twice"
        return dict(found)

    def value(self, name: str, **labels: str) -> float:
        found = [sample.value for sample in self.all if sample.name == name and sample.labels == labels]
        assert len(found) == 1, f"{name} {labels}: {found}"
        return found[0]


def scraped(client: httpx.Client) -> Samples:
    """What `/metrics` answers now."""
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return Samples(answer.text)
