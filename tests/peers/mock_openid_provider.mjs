// A second OpenID provider, on oauth2-mock-server: no page, no consent, one person, a public client, a new key at each start.
// Arguments: one JSON object with port and person {sub, email, name, groups}; the folder with the packages.
// Prints one line when it listens.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const settings = JSON.parse(process.argv[2]);
const require = createRequire(`${process.argv[3]}/`);
const { OAuth2Server } = await import(pathToFileURL(require.resolve('oauth2-mock-server')).href);

const server = new OAuth2Server();
await server.issuer.keys.generate(settings.alg);
const { sub, email, name, groups } = settings.person;
const claims = { sub, email, email_verified: true, name, preferred_username: email, groups };
server.service.on('beforeTokenSigning', (token) => Object.assign(token.payload, claims));
server.service.on('beforeUserinfo', (answer) => { answer.body = claims; });
// It forgets the state that it was sent out with (RP-Initiated Logout 1.0 section 3).
server.service.on('beforePostLogoutRedirect', ({ url }, request) => url.searchParams.set('state', request.query.state));
await server.start(settings.port, '127.0.0.1');
server.issuer.url = `http://127.0.0.1:${settings.port}`;
console.log('listening');
