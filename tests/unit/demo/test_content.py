"""The demo's articles and users are complete and agree with each other."""

from __future__ import annotations

import re
from datetime import date

import pytest
import yaml

from deskwire_server.demo.content import DemoArticle, articles, fingerprint, users

ARTICLES = articles()
PATHS = {article.source_path for article in ARTICLES}


def test_there_are_some_25_articles_and_a_user_of_each_role() -> None:
    assert 25 <= len(ARTICLES) <= 40
    assert {user.role for user in users()} == {"user", "agent", "admin", "service"}
    assert {user.user_id for user in users()} == {"ana", "ben", "cleo", "billing-service"}


@pytest.mark.parametrize("article", ARTICLES, ids=lambda article: article.source_path)
def test_an_article_is_well_formed(article: DemoArticle) -> None:
    text = article.data.decode()
    _, matter, body = text.split("---\n", 2)
    fields = yaml.safe_load(matter)
    assert set(fields) == {"title", "description", "category", "tags", "updated"}
    assert fields["category"] == article.source_path.split("/")[0]
    assert isinstance(fields["updated"], date)
    assert fields["tags"]
    assert 120 <= len(body.split()) <= 500
    for target in re.findall(r"\]\(([^)]+)\)", body):
        folder = article.source_path.split("/")[0]
        path = target.removeprefix("../") if target.startswith("../") else f"{folder}/{target}"
        assert path in PATHS, target


def test_prices_agree_everywhere() -> None:
    text = "\n".join(article.data.decode() for article in ARTICLES)
    assert set(re.findall(r"extra (?:seat|one)[^.]*?(\d+) € a month", text)) == {"9"}
    assert set(re.findall(r"(\d+) days?(?: and needs no payment card)", text)) == {"14"}
    plans = next(article for article in ARTICLES if article.source_path == "billing/plans-and-prices.md").data.decode()
    for monthly, yearly in re.findall(r"\| (\d+) € \| ([\d,]+) € \|", plans):
        assert int(yearly.replace(",", "")) == 10 * int(monthly)


def test_the_fingerprint_is_stable() -> None:
    assert fingerprint() == fingerprint()
    assert re.fullmatch(r"[0-9a-f]{64}", fingerprint())
