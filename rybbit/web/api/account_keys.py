"""The keys with which programs act for an account."""

from flask import Blueprint, Response

from rybbit.extensions import db
from rybbit.services import keys
from rybbit.web.access import ALL, current_account, current_actor
from rybbit.web.api.description import Done, describe, shown
from rybbit.web.api.organization_models import KeyAnswer, KeyBody, NewKeyAnswer, show_new_key
from rybbit.web.bodies import body_as

blueprint = Blueprint("account_keys", __name__, url_prefix="/api/account/keys")


@blueprint.get("")
@describe("List one's keys", answer=list[KeyAnswer], scope=ALL)
def list_keys() -> Response:
    """The keys of the caller's account, revoked ones too."""
    return shown([KeyAnswer.model_validate(key) for key in keys.list_keys(current_account())])


@blueprint.post("")
@describe("Make a key", answer=NewKeyAnswer, status=201, body=KeyBody, scope=ALL)
def create_key() -> Response:
    """Make a key that may do what the account may, or less."""
    account = current_account()
    body = body_as(KeyBody)
    key, token = keys.create_account_key(
        account, name=body.name, scopes=body.scopes, expires_at=body.expires_at, actor=current_actor()
    )
    db.session.commit()
    return shown(show_new_key(key, token), status=201)


@blueprint.delete("/<key_id>")
@describe("Revoke a key", answer=Done, scope=ALL)
def revoke_key(key_id: str) -> Response:
    """End a key of the caller's account, also the one with which it is asked."""
    key = keys.key_for(key_id, holder=current_account())
    keys.revoke_key(key, actor=current_actor())
    db.session.commit()
    return shown(Done())
