// An OpenID provider on oidc-provider that signs one person in at once and asks no consent.
// Arguments: one JSON object with port, client_id, client_secret or client_certificate and client_alg, redirect_uri, alg (RS256 or ES256), claims_in_userinfo,
// has_groups_scope, logged_out_uri, backchannel_logout_uri, names_sessions and
// person {sub, email, name, groups}; the folder with the packages. PUT /person replaces the person.
// Prints one line when it listens.
import { X509Certificate, generateKeyPairSync } from 'node:crypto';
import http from 'node:http';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const settings = JSON.parse(process.argv[2]);
const require = createRequire(`${process.argv[3]}/`);
const { default: Provider } = await import(pathToFileURL(require.resolve('oidc-provider')).href);

const issuer = `http://127.0.0.1:${settings.port}`;
const { privateKey } = settings.alg === 'ES256'
  ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
  : generateKeyPairSync('rsa', { modulusLength: 2048 });
// With a certificate of the client it authenticates by its key, and has no secret.
const known = settings.client_certificate
  ? {
    token_endpoint_auth_method: 'private_key_jwt',
    token_endpoint_auth_signing_alg: settings.client_alg,
    jwks: {
      keys: [{
        ...new X509Certificate(settings.client_certificate).publicKey.export({ format: 'jwk' }),
        kid: 'ours',
        use: 'sig',
        alg: settings.client_alg,
      }],
    },
  }
  : { client_secret: settings.client_secret };
const groups = settings.has_groups_scope
  ? { groups: ['groups'] }
  : {};
const provider = new Provider(issuer, {
  clients: [{
    client_id: settings.client_id,
    ...known,
    redirect_uris: [settings.redirect_uri],
    post_logout_redirect_uris: [settings.logged_out_uri],
    backchannel_logout_uri: settings.backchannel_logout_uri,
    backchannel_logout_session_required: settings.names_sessions ?? true,
    grant_types: ['authorization_code'],
    response_types: ['code'],
    id_token_signed_response_alg: settings.alg,
  }],
  jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), kid: 'test', use: 'sig', alg: settings.alg }] },
  pkce: { required: () => true },
  scopes: ['openid', 'email', 'profile'],
  claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name', 'preferred_username'], ...groups },
  conformIdTokenClaims: settings.claims_in_userinfo ?? false,
  features: {
    devInteractions: { enabled: false },
    backchannelLogout: { enabled: true },
    rpInitiatedLogout: {
      enabled: true,
      logoutSource: (context, form) => {
        context.body = `<!doctype html><title>Sign out</title>${form}
          <button form="op.logoutForm" name="logout" value="yes">Sign out there</button>`;
      },
    },
  },
  // Without its guard against addresses of the own machine, where everything is in these tests.
  fetch: (url, { dispatcher, ...options }) => globalThis.fetch(url, options),
  cookies: { keys: ['test'] },
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => {
      const { email, name, groups } = settings.person;
      return { sub: id, email, email_verified: true, name, preferred_username: email, groups };
    },
  }),
});

async function interact(request, response) {
  const { prompt, params, session } = await provider.interactionDetails(request, response);
  if (prompt.name === 'login') {
    return provider.interactionFinished(request, response, { login: { accountId: settings.person.sub } });
  }
  const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  grant.addOIDCClaims(['email', 'email_verified', 'name', 'preferred_username', 'groups']);
  const consent = { grantId: await grant.save() };
  return provider.interactionFinished(request, response, { consent }, { mergeWithLastSubmission: true });
}

const handle = provider.callback();
http.createServer(async (request, response) => {
  if (request.method === 'PUT' && request.url === '/person') {
    settings.person = JSON.parse(Buffer.concat(await request.toArray()).toString());
    response.statusCode = 204;
    return response.end();
  }
  if (!request.url.startsWith('/interaction/')) return handle(request, response);
  return interact(request, response).catch((error) => { response.statusCode = 500; response.end(String(error)); });
}).listen(settings.port, '127.0.0.1', () => console.log('listening'));
