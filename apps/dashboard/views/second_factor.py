"""One's own second factors: an authenticator app, passkeys, recovery codes, and showing that it is oneself."""

from __future__ import annotations

from allauth.mfa.models import Authenticator
from django.contrib import messages
from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from markupsafe import Markup

from apps.accounts.factors import actions, codes, passkeys
from apps.accounts.factors.adapter import Adapter
from apps.accounts.models import Team
from apps.core.errors import NotFound, UserError
from apps.dashboard import proof
from apps.dashboard.access import Request, signed_in
from apps.dashboard.forms import errors_into
from apps.dashboard.forms.factors import AppForm, PasskeyForm, PasskeyNameForm, ProofForm
from apps.dashboard.proof import proven
from apps.dashboard.render import render
from apps.dashboard.views.entering import next_of

_SECRET = "app_secret"  # in the session, sealed: of the app that is being set up


@signed_in
@require_safe
def second_factor(request: Request) -> HttpResponse:
    user = request.user
    context = {
        "app": Authenticator.objects.filter(user=user, type=Authenticator.Type.TOTP).first(),
        "passkeys": passkeys.of(user),
        "left": codes.left(user),
        "demanding": Team.objects.joined_by(user).filter(requires_second_factor=True),
    }
    return render(request, "accounts/second_factor.html", context)


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def account_proof(request: Request) -> HttpResponse:
    """Password and second factor once more; then back to what asked for it."""
    form, status = ProofForm(request.POST or None), 422 if request.method == "POST" else 200
    if not request.user.has_second_factor():
        del form.fields["code"]
    if form.is_bound and form.is_valid():
        try:
            with errors_into(form):
                actions.prove(user=request.user, **form.cleaned_data, request=request)
                proof.remember(request)
                return redirect(next_of(request))
        except UserError as error:
            form.add_error(None, str(error))
            status = error.status
    context = {"form": form, "next": next_of(request), "has_passkey": passkeys.of(request.user).exists()}
    return render(request, "accounts/proof.html", context, status=status)


@signed_in
@require_POST
def account_proof_options(request: Request) -> HttpResponse:
    return JsonResponse(passkeys.ask_to_use(request.user))


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
@proven
def account_app(request: Request) -> HttpResponse:
    """Its key is shown until a code made from it is given back."""
    if _SECRET not in request.session:
        request.session[_SECRET] = Adapter().encrypt(codes.new_secret())
    secret = Adapter().decrypt(request.session[_SECRET])
    form = AppForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with errors_into(form):
            given = {"secret": secret, "code": form.cleaned_data["code"], "kept": request.session.session_key}
            made = actions.turn_on_app(user=request.user, **given)
            del request.session[_SECRET]
            return _done(request, "The authenticator app is set up.", made)
    shown = " ".join(secret[at : at + 4] for at in range(0, len(secret), 4))
    context = {"form": form, "drawn": Markup(codes.drawn(request.user, secret)), "secret": shown}  # nosec B704
    return render(request, "accounts/app.html", context, status=422 if form.errors else 200)


@signed_in
@require_POST
@proven
def account_app_removal(request: Request) -> HttpResponse:
    actions.turn_off_app(user=request.user, kept=request.session.session_key)
    return _done(request, "The authenticator app was removed.")


@signed_in
@require_POST
@proven
def account_recovery_codes(request: Request) -> HttpResponse:
    made = actions.renew_codes(user=request.user, kept=request.session.session_key)
    return _done(request, "The old recovery codes count no longer.", made)


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
@proven
def account_passkeys(request: Request) -> HttpResponse:
    form = PasskeyForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with errors_into(form):
            made = passkeys.made(request, form.cleaned_data["credential"])
            given = {"name": form.cleaned_data["name"], "made": made, "kept": request.session.session_key}
            fresh = actions.add_passkey(user=request.user, **given)
            return _done(request, "The passkey was added.", fresh)
    return render(request, "accounts/passkey_new.html", {"form": form}, status=422 if form.errors else 200)


@signed_in
@require_POST
@proven
def account_passkey_options(request: Request) -> HttpResponse:
    return JsonResponse(passkeys.ask_to_make(request.user))


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def account_passkey(request: Request, pk: int) -> HttpResponse:
    """Its name; posting changes it."""
    found = _passkey(request, pk)
    form = PasskeyNameForm(request.POST or None, initial={"name": str(found)})
    if request.method == "POST" and form.is_valid():
        actions.rename_passkey(user=request.user, passkey=found, name=form.cleaned_data["name"])
        messages.success(request, "The passkey was renamed.")
        return redirect("account-second-factor")
    context = {"form": form, "passkey": found}
    return render(request, "accounts/passkey.html", context, status=422 if form.errors else 200)


@signed_in
@require_POST
@proven
def account_passkey_removal(request: Request, pk: int) -> HttpResponse:
    actions.remove_passkey(user=request.user, passkey=_passkey(request, pk), kept=request.session.session_key)
    return _done(request, "The passkey was removed.")


def _passkey(request: Request, pk: int) -> Authenticator:
    found: Authenticator | None = passkeys.of(request.user).filter(pk=pk).first()
    if found is None:
        raise NotFound("such passkey")
    return found


def _done(request: Request, words: str, made: list[str] | None = None) -> HttpResponse:
    """Back to the factors; new recovery codes are shown in this answer alone: no cache or history keeps it."""
    messages.success(request, f"{words} Your other sessions were ended.")
    if made:
        return render(request, "accounts/recovery_codes.html", {"codes": made})
    return redirect("account-second-factor")
