"""Values that suit a pydantic model, for plugins whose author gave none: the examples of its fields, or its defaults."""

from collections.abc import Mapping
from typing import Any


def sample(model: Any) -> Mapping[str, Any] | None:
    """An object that a model takes, None where nothing that is known of it makes one."""
    fields = getattr(model, "model_fields", {})
    made = {field.alias or name: field.examples[0] for name, field in fields.items() if field.examples}
    return next((tried for tried in ({}, made) if valid(model, tried)), None)


def valid(model: Any, value: object) -> bool:
    """Whether a model takes a value; a model that raises anything but its ValidationError is not asked again."""
    from pydantic import ValidationError

    try:
        model.model_validate(value)
    except ValidationError:
        return False
    return True
