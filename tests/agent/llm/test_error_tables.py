"""Every error class of every SDK has a place; a new one fails here before it surprises a campaign."""

import inspect

import pytest

from rsi.agent.llm.adapters import anthropic_api, litellm_api, openai_api
from rsi.agent.llm.errors import ModelError
from rsi.agent.llm.providers import PROVIDERS, Hosting


def classes_of(*modules):
    return {
        name
        for module in modules
        for name, value in list(vars(module).items())
        if inspect.isclass(value)
        and issubclass(value, Exception)
        and value.__module__.startswith(module.__name__.split(".")[0])
    }


def anthropic_classes():
    import anthropic

    return classes_of(anthropic)


def openai_classes():
    import openai

    return classes_of(openai)


def litellm_classes():
    pytest.importorskip("litellm")
    import litellm.exceptions

    return {
        name
        for name, value in vars(litellm.exceptions).items()
        if inspect.isclass(value)
        and issubclass(value, Exception)
        and value.__module__ in ("litellm.exceptions", "openai")
    } | {"OpenAIError"}


SDKS = [
    pytest.param(anthropic_api, anthropic_classes, id="anthropic"),
    pytest.param(openai_api, openai_classes, id="openai"),
    pytest.param(litellm_api, litellm_classes, id="litellm", marks=pytest.mark.slow),
]


def test_every_adapter_is_among_them():
    tried = {each.values[0].__name__ for each in SDKS}
    for provider in PROVIDERS:
        if isinstance(provider.make, Hosting):
            assert provider.make.adapter.__module__ in tried, (
                "its SDK's errors need a table, held here"
            )


@pytest.mark.parametrize(("adapter", "classes"), SDKS)
def test_each_error_class_of_the_sdk_is_in_the_table(adapter, classes):
    found = classes()
    assert len(found) > 10
    assert found - set(adapter.ERRORS) == set(), "new in the SDK: give it a place in ERRORS"


@pytest.mark.parametrize(("adapter", "classes"), SDKS)
def test_the_table_names_only_our_errors_and_no_class_that_is_gone(adapter, classes):
    assert all(issubclass(ours, ModelError) for ours in adapter.ERRORS.values())
    assert set(adapter.ERRORS) - classes() == set(), "gone from the SDK: take it out of ERRORS"
