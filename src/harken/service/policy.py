# SPDX-License-Identifier: Apache-2.0
"""What a caller may do: the one place where policies are held to. Knows no key."""

from __future__ import annotations

from harken.errors import Forbidden
from harken.model import Options, Scope
from harken.models.catalog import Catalog
from harken.service.nouns import Caller
from harken.text import extractive


def require(caller: Caller, *scopes: Scope) -> None:
    """Raise Forbidden unless the caller has one of ``scopes``."""
    if not caller.policy.scopes.intersection(scopes):
        names = " or ".join(repr(scope.value) for scope in scopes)
        raise Forbidden(f"this API key does not have the scope {names}", param="scope")


def admit_text(caller: Caller, model: str | None) -> None:
    """Raise Forbidden unless the caller may have texts written, and by this model, which was checked.

    A policy that names models names those that write too. Quoting the transcript takes none.
    """
    require(caller, Scope.TEXT)
    allowed = caller.policy.models
    if allowed and model not in (extractive.NAME, *allowed):
        raise Forbidden(
            f"this API key may not have texts written by the model {model}, only by {extractive.NAME} and by those of "
            f"{', '.join(allowed)} that write",
            param="model",
        )


def require_for_end(caller: Caller, *, recording: bool) -> None:
    """Raise Forbidden unless the caller may end such work: who has texts written has no say over recordings."""
    require(caller, *((Scope.TRANSCRIBE,) if recording else (Scope.TRANSCRIBE, Scope.TEXT)))


def admit(caller: Caller, options: Options, catalog: Catalog) -> Options:
    """The options, which were checked, with the languages narrowed to those that the caller's policy allows.

    Raises Forbidden where the caller may not have this model, this language, or text written.
    """
    policy = caller.policy
    require(caller, Scope.TRANSCRIBE)
    for task in (options.summary, options.formatting):
        if task is not None:
            admit_text(caller, task.model)
    if policy.models:
        resolved = catalog.resolve(options.model)
        if not {resolved.name, resolved.spec.name}.intersection(policy.models):
            raise Forbidden(
                f"this API key may not use the model {resolved.name}, only {', '.join(policy.models)}", param="model"
            )
    if not policy.languages:
        return options
    asked = options.languages if options.language is None else (options.language,)
    refused = sorted(set(asked).difference(policy.languages))
    if refused:
        raise Forbidden(
            f"this API key may not use the language {', '.join(refused)}, only {', '.join(policy.languages)}",
            param="language",
        )
    if asked:
        return options
    # Nothing else is detected then.
    only = policy.languages[0] if len(policy.languages) == 1 else None
    return options.but(language=only, languages=() if only else policy.languages)
