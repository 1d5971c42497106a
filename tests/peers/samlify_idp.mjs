// A SAML 2.0 identity provider on samlify that signs one person in at once. It takes signed requests only, and has single logout.
// Arguments: one JSON object with port, key, certificate, sp_entity_id, acs_url, slo_url, sp_certificate (paths where they are
// files), sign (assertion or both), encrypt (true or false) and person {email, name, groups}; the folder with the packages.
// GET /logout asks the service to end the session that began last.
// Prints one line when it listens.
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';

const settings = JSON.parse(process.argv[2]);
const samlify = createRequire(`${process.argv[3]}/`)('samlify');
// It has no schemas of its own.
samlify.setSchemaValidator({ validate: async () => 'not looked at' });

const base = `http://127.0.0.1:${settings.port}`;
const urn = 'urn:oasis:names:tc:SAML:2.0';
const emailFormat = 'urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress';
const redirect = (location) => [{ Binding: `${urn}:bindings:HTTP-Redirect`, Location: location }];
const sha256 = 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256';
const template = `<samlp:Response xmlns:samlp="${urn}:protocol" ID="{ID}" Version="2.0" IssueInstant="{Now}"`
  + ' Destination="{Consumer}" InResponseTo="{Request}">'
  + `<saml:Issuer xmlns:saml="${urn}:assertion">{Issuer}</saml:Issuer>`
  + `<samlp:Status><samlp:StatusCode Value="${urn}:status:Success"/></samlp:Status>`
  + `<saml:Assertion xmlns:saml="${urn}:assertion" ID="{AssertionID}" Version="2.0" IssueInstant="{Now}">`
  + '<saml:Issuer>{Issuer}</saml:Issuer><saml:Subject>'
  + `<saml:NameID Format="${emailFormat}">{Email}</saml:NameID><saml:SubjectConfirmation Method="${urn}:cm:bearer">`
  + '<saml:SubjectConfirmationData InResponseTo="{Request}" NotOnOrAfter="{End}" Recipient="{Consumer}"/>'
  + '</saml:SubjectConfirmation></saml:Subject><saml:Conditions NotBefore="{Now}" NotOnOrAfter="{End}">'
  + '<saml:AudienceRestriction><saml:Audience>{Audience}</saml:Audience></saml:AudienceRestriction></saml:Conditions>'
  + '<saml:AuthnStatement AuthnInstant="{Now}" SessionIndex="{Session}"><saml:AuthnContext>'
  + `<saml:AuthnContextClassRef>${urn}:ac:classes:Password</saml:AuthnContextClassRef>`
  + '</saml:AuthnContext></saml:AuthnStatement><saml:AttributeStatement>{Attributes}</saml:AttributeStatement>'
  + '</saml:Assertion></samlp:Response>';

const provider = samlify.IdentityProvider({
  entityID: `${base}/metadata`,
  privateKey: readFileSync(settings.key, 'utf8'),
  signingCert: readFileSync(settings.certificate, 'utf8'),
  requestSignatureAlgorithm: sha256,
  wantAuthnRequestsSigned: true,
  wantLogoutRequestSigned: true,
  wantLogoutResponseSigned: true,
  isAssertionEncrypted: settings.encrypt,
  dataEncryptionAlgorithm: 'http://www.w3.org/2009/xmlenc11#aes256-gcm',
  keyEncryptionAlgorithm: 'http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p',
  nameIDFormat: [emailFormat],
  singleSignOnService: redirect(`${base}/sso`),
  singleLogoutService: redirect(`${base}/slo`),
  loginResponseTemplate: { context: template, attributes: [] },
});
const certificate = readFileSync(settings.sp_certificate, 'utf8');
const service = samlify.ServiceProvider({
  entityID: settings.sp_entity_id,
  authnRequestsSigned: true,
  wantAssertionsSigned: true,
  wantMessageSigned: settings.sign === 'both',
  wantLogoutRequestSigned: true,
  wantLogoutResponseSigned: true,
  signingCert: certificate,
  encryptCert: certificate,
  assertionConsumerService: [{ Binding: `${urn}:bindings:HTTP-POST`, Location: settings.acs_url }],
  singleLogoutService: redirect(settings.slo_url),
});

const escaped = (text) => text.replace(/[<>&"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
const attribute = (name, values) => `<saml:Attribute Name="${name}">`
  + `${values.map((value) => `<saml:AttributeValue>${escaped(value)}</saml:AttributeValue>`).join('')}</saml:Attribute>`;

// A message by redirect as samlify takes it: decoded, and what was signed as it came.
function sent(address) {
  const query = Object.fromEntries(address.searchParams);
  return { query, octetString: address.search.slice(1).split('&Signature=')[0] };
}

let session;

async function signIn(address) {
  const { extract } = await provider.parseLoginRequest(service, 'redirect', sent(address));
  const { email, name, groups } = settings.person;
  const fill = (context) => {
    const [id, now] = [`_${randomUUID()}`, Date.now()];
    session = `_${randomUUID()}`;
    const values = {
      ID: id,
      AssertionID: `_${randomUUID()}`,
      Session: session,
      Issuer: `${base}/metadata`,
      Now: new Date(now).toISOString(),
      End: new Date(now + 300_000).toISOString(),
      Consumer: settings.acs_url,
      Audience: settings.sp_entity_id,
      Request: extract.request.id,
      Email: escaped(email),
      Attributes: [attribute('email', [email]), attribute('displayName', [name]), attribute('groups', groups)].join(''),
    };
    return { id, context: context.replace(/\{(\w+)\}/g, (whole, key) => values[key] ?? whole) };
  };
  const answer = await provider.createLoginResponse(service, { extract }, 'post', { email }, { customTagReplacement: fill });
  const field = (key, value) => `<input type="hidden" name="${key}" value="${escaped(value)}"/>`;
  const fields = [field('SAMLResponse', answer.context), field('RelayState', address.searchParams.get('RelayState') ?? '')];
  return { status: 200, body: `<form method="post" action="${settings.acs_url}">${fields.join('')}<button>Go on</button></form>` };
}

// Asks the service for logout.
function askForLogout() {
  const user = { logoutNameID: settings.person.email, sessionIndex: session };
  return { status: 303, location: provider.createLogoutRequest(service, 'redirect', user, { relayState: 'theirs' }).context };
}

// Takes the service's request for logout and answers it; or takes its answer to ours.
async function signOut(address) {
  if (address.searchParams.has('SAMLResponse')) {
    await provider.parseLogoutResponse(service, 'redirect', sent(address));
    return { status: 200, body: 'signed out' };
  }
  const { extract } = await provider.parseLogoutRequest(service, 'redirect', sent(address));
  if (extract.nameID !== settings.person.email) throw new Error(`nobody is called ${extract.nameID}`);
  const relayState = address.searchParams.get('RelayState');
  return { status: 303, location: provider.createLogoutResponse(service, { extract }, 'redirect', { relayState }).context };
}

http.createServer(async (request, response) => {
  const address = new URL(request.url, base);
  const pages = {
    '/metadata': () => ({ status: 200, body: provider.getMetadata() }),
    '/sso': () => signIn(address),
    '/slo': () => signOut(address),
    '/logout': () => askForLogout(),
  };
  const page = pages[address.pathname] ?? (() => ({ status: 404 }));
  const { status, body, location } = await Promise.resolve(page()).catch((error) => {
    console.error(error);
    return { status: 500, body: String(error) };
  });
  const type = address.pathname === '/metadata' ? 'application/samlmetadata+xml' : 'text/html';
  response.writeHead(status, location ? { location } : { 'content-type': type });
  response.end(body);
}).listen(settings.port, '127.0.0.1', () => console.log('listening'));
