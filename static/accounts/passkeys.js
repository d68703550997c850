// Passkeys: <button data-passkey="create|get" data-options="/…"> in a form with a hidden field `credential`.
// The options are asked for, the browser asks its person, and the form is sent with the answer.
"use strict";
(() => {
  const bytes = (text) => {
    const plain = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
    return Uint8Array.from(plain, (letter) => letter.charCodeAt(0));
  };
  const text = (buffer) => {
    const plain = Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join("");
    return btoa(plain).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  };
  const listed = (credentials) => (credentials || []).map((one) => ({ ...one, id: bytes(one.id) }));

  const asked = (kind, given) => {
    const options = { ...given, challenge: bytes(given.challenge) };
    if (kind === "create") {
      options.user = { ...given.user, id: bytes(given.user.id) };
      options.excludeCredentials = listed(given.excludeCredentials);
    } else {
      options.allowCredentials = listed(given.allowCredentials);
    }
    return { publicKey: options };
  };

  const told = (credential) => {
    const response = {};
    for (const part of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
      if (credential.response[part]) response[part] = text(credential.response[part]);
    }
    return JSON.stringify({
      id: credential.id, rawId: text(credential.rawId), type: credential.type, response,
      clientExtensionResults: credential.getClientExtensionResults(),
    });
  };

  const say = (form, words) => {
    let place = form.querySelector("[data-passkey-said]");
    if (!place) {
      place = document.createElement("div");
      place.className = "alert alert-warning";
      place.dataset.passkeySaid = "";
      place.setAttribute("role", "alert");
      form.prepend(place);
    }
    place.textContent = words;
  };

  const why = (error) => {
    if (error.name === "InvalidStateError") return "This device has a passkey for this account already.";
    if (error.name === "NotAllowedError") return "No passkey was used: it was cancelled, or took too long. Try again.";
    if (error.name === "SecurityError") return "Passkeys work at the dashboard's own address alone, by https or at localhost.";
    return "That did not work. Reload the page and try again.";
  };

  const run = async (button) => {
    const form = button.form;
    const token = form.querySelector("[name=csrfmiddlewaretoken]").value;
    const kind = button.dataset.passkey;
    button.disabled = true;
    try {
      const answer = await fetch(button.dataset.options, { method: "POST", headers: { "X-CSRFToken": token } });
      const credential = await navigator.credentials[kind](asked(kind, (await answer.json()).publicKey));
      form.querySelector("[name=credential]").value = told(credential);
      form.submit();
    } catch (error) {
      say(form, why(error));
      button.disabled = false;
    }
  };

  const able = "PublicKeyCredential" in globalThis && isSecureContext;
  for (const button of document.querySelectorAll("[data-passkey]")) {
    if (able) button.hidden = false;
    else if (button.dataset.passkey === "create") {
      button.disabled = true;
      say(button.form, "This browser offers no passkeys here: they need https, or localhost.");
    }
    button.addEventListener("click", (event) => {
      event.preventDefault();
      run(button);
    });
  }
})();
