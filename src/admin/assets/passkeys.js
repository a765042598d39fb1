// Passkeys: asks the browser for one, and puts its answer into the form. Without this script the buttons are not there; it
// stands before the end of a page, so that they are when the page is first seen.
"use strict";
(() => {
  // The words come with the script's tag, in the visitor's language.
  const words = document.currentScript.dataset;
  if (!window.PublicKeyCredential || !navigator.credentials) return;

  const bytes = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (one) => one.charCodeAt(0));
  const text = (buffer) =>
    btoa(Array.from(new Uint8Array(buffer), (one) => String.fromCharCode(one)).join("")).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

  // What is asked for at the moment: a browser asks for one thing at a time.
  let current = new AbortController();
  const instead = () => {
    current.abort();
    current = new AbortController();
    return current.signal;
  };

  // What the server wants asked.
  const begin = async (form) => {
    const body = new URLSearchParams({ what: form.dataset.passkey });
    ["csrf", "challenge", "password"].forEach((name) => {
      const field = form.elements.namedItem(name);
      if (field && form.dataset.passkey !== "sign-in") body.set(name, field.value);
    });
    const answer = await fetch("/admin/passkeys/", { method: "POST", body, credentials: "same-origin" });
    const said = await answer.json();
    if (!answer.ok) throw Object.assign(new Error(said.detail), { code: said.code, plain: true });
    const options = said.public_key;
    options.challenge = bytes(options.challenge);
    (options.allowCredentials || []).concat(options.excludeCredentials || []).forEach((one) => { one.id = bytes(one.id); });
    if (options.user) options.user.id = bytes(options.user.id);
    return options;
  };

  const ask = async (form, signal, mediation) => {
    const publicKey = await begin(form);
    if (signal.aborted) return;
    const made = form.dataset.passkey === "add"
      ? await navigator.credentials.create({ publicKey, signal })
      : await navigator.credentials.get(mediation ? { publicKey, signal, mediation } : { publicKey, signal });
    const response = {};
    ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"].forEach((name) => {
      if (made.response[name]) response[name] = text(made.response[name]);
    });
    if (made.response.getTransports) response.transports = made.response.getTransports();
    form.querySelector("[data-passkey-answer]").value =
      JSON.stringify({ id: made.id, rawId: text(made.rawId), type: made.type, response });
    form.querySelectorAll("[data-passkey-instead]").forEach((field) => { field.required = false; });
    form.requestSubmit();
  };

  const told = (error) => {
    if (error.plain) return error.message;
    if (error.name === "NotAllowedError" || error.name === "AbortError") return words.stopped;
    if (error.name === "InvalidStateError") return words.known;
    if (error.name === "SecurityError") return words.elsewhere;
    return words.failed + " " + error.message;
  };

  document.querySelectorAll("form[data-passkey]").forEach((form) => {
    const button = form.querySelector("[data-passkey-ask]"), said = form.querySelector("[data-passkey-said]");
    button.hidden = false;
    // Enter in a form to add one is its button.
    if (form.dataset.passkey === "add") {
      form.addEventListener("submit", (event) => {
        if (form.querySelector("[data-passkey-answer]").value) return;
        event.preventDefault();
        button.click();
      });
    }
    button.addEventListener("click", async () => {
      const replaced = Array.from(form.querySelectorAll("[data-passkey-instead]"));
      replaced.forEach((field) => { field.required = false; });
      const fits = form.reportValidity();
      replaced.forEach((field) => { field.required = true; });
      if (!fits) return;
      said.hidden = true;
      button.disabled = true;
      try {
        await ask(form, instead());
      } catch (error) {
        if (error.code === "reauthentication_required" && form.dataset.passkeyStale) {
          location.assign(form.dataset.passkeyStale);
          return;
        }
        said.textContent = told(error);
        said.hidden = false;
      }
      button.disabled = false;
    });
  });

  // Where one signs in the browser offers them as it offers passwords, and is asked anew before the challenge is too old.
  const form = document.querySelector("form[data-passkey=sign-in]");
  const offers = PublicKeyCredential.isConditionalMediationAvailable;
  if (form && offers) {
    const offer = async () => {
      const signal = instead();
      setTimeout(() => { if (!signal.aborted && signal === current.signal) offer(); }, 240000);
      await ask(form, signal, "conditional").catch(() => {});
    };
    offers.call(PublicKeyCredential).then((can) => { if (can) offer(); }).catch(() => {});
  }
})();
