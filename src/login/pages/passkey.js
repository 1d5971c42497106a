// Passkeys (Web Authentication Level 3): asks the browser for one, and sends what it gives with the form that asked.
'use strict';

(() => {
  const bytes = (text) =>
    Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (character) => character.charCodeAt(0));
  const text = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');

  const asked = (options) => {
    const descriptors = (list) => list?.map((one) => ({ ...one, id: bytes(one.id) }));
    return {
      ...options,
      challenge: bytes(options.challenge),
      ...(options.user && { user: { ...options.user, id: bytes(options.user.id) } }),
      ...(options.allowCredentials && { allowCredentials: descriptors(options.allowCredentials) }),
      ...(options.excludeCredentials && { excludeCredentials: descriptors(options.excludeCredentials) }),
    };
  };

  const given = ({ id, rawId, type, response }) => {
    const members = {};
    for (const name of ['clientDataJSON', 'attestationObject', 'authenticatorData', 'signature', 'userHandle']) {
      if (response[name]) members[name] = text(response[name]);
    }
    if (response.getTransports) members.transports = response.getTransports();
    return JSON.stringify({ id, rawId: text(rawId), type, response: members });
  };

  // One ceremony at a time: a press of a button ends the one that waits in a field's suggestions.
  let under = new AbortController();

  const run = async (form, mediation) => {
    under.abort();
    const own = (under = new AbortController());
    const fields = Object.fromEntries(new FormData(form));
    delete fields.credential;
    const answer = await fetch(form.dataset.options, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(fields),
    });
    const told = await answer.json();
    if (!answer.ok) throw new Error(told.problem ?? '');
    if (own.signal.aborted) return;
    const options = { publicKey: asked(told.publicKey), signal: own.signal, ...(mediation && { mediation }) };
    const container = navigator.credentials;
    const credential = await (form.dataset.passkey === 'create' ? container.create(options) : container.get(options));
    form.elements.credential.value = given(credential);
    form.submit();
  };

  const show = (form, name, message) => {
    const place = form.querySelector(`[data-${name}]`);
    place.dataset.text ??= place.textContent;
    place.textContent = message || place.dataset.text;
    place.hidden = false;
  };

  for (const form of document.querySelectorAll('form[data-passkey]')) {
    if (!window.PublicKeyCredential) {
      show(form, 'missing');
      continue;
    }
    form.querySelector('[data-parts]').hidden = false;
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      form.querySelector('[data-failed]').hidden = true;
      run(form).catch((error) => show(form, 'failed', error instanceof DOMException ? '' : error.message));
    });
    if ('suggest' in form.dataset) {
      PublicKeyCredential.isConditionalMediationAvailable?.()
        .then((can) => can && run(form, 'conditional'))
        .catch(() => {});
    }
  }
})();
