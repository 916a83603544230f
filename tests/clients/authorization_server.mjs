// A small OAuth 2.1 authorization server: registers everybody, asks nobody, and signs tokens for the
// resource that a client names. Checks what a client must send.

import { createHash, generateKeyPairSync, randomUUID, sign } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';

export class AuthorizationServer {
  /** What authorization codes stand for. */
  codes = new Map();

  /** Requests that clients have made, by path. */
  asked = {};

  keys = [];

  /** Starts on a free port; the file gets the keys, as something beside a daemon would put them. */
  static async start(jwksFile) {
    const server = new AuthorizationServer();
    server.jwksFile = jwksFile;
    server.rotate();
    server.http = createServer((request, response) => server.serve(request, response));
    server.http.listen(0, '127.0.0.1');
    await once(server.http, 'listening');
    server.issuer = `http://127.0.0.1:${server.http.address().port}`;
    return server;
  }

  /** Signs with a new key from here on; the old one stays good. */
  rotate() {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const kid = `key-${this.keys.length + 1}`;
    const jwk = { ...publicKey.export({ format: 'jwk' }), kid, use: 'sig', alg: 'ES256' };
    this.keys.push({ kid, privateKey, jwk });
    writeFileSync(this.jwksFile, JSON.stringify({ keys: this.keys.map((key) => key.jwk) }));
  }

  token(claims) {
    const { kid, privateKey } = this.keys.at(-1);
    const exp = Math.floor(Date.now() / 1000) + 600;
    const message = [
      { alg: 'ES256', kid, typ: 'at+jwt' },
      { iss: this.issuer, exp, sub: 'ann', jti: randomUUID(), ...claims },
    ].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
    const signature = sign('sha256', Buffer.from(message), {
      key: privateKey,
      dsaEncoding: 'ieee-p1363',
    });
    return `${message}.${signature.toString('base64url')}`;
  }

  async serve(request, response) {
    const url = new URL(request.url, this.issuer);
    this.asked[url.pathname] = (this.asked[url.pathname] ?? 0) + 1;
    let body = '';
    for await (const piece of request) body += piece;
    const answer = (status, value, headers = {}) => {
      response.writeHead(status, { 'content-type': 'application/json', ...headers });
      response.end(JSON.stringify(value));
    };
    switch (url.pathname) {
      case '/.well-known/oauth-authorization-server':
        return answer(200, this.metadata());
      case '/register':
        return answer(201, { ...JSON.parse(body), client_id: 'a-client' });
      case '/authorize':
        return answer(302, {}, { location: this.authorize(url.searchParams) });
      case '/token':
        return answer(...this.exchange(new URLSearchParams(body)));
      default:
        return answer(404, { error: 'not_found' });
    }
  }

  metadata() {
    const at = (path) => `${this.issuer}${path}`;
    return {
      issuer: this.issuer,
      authorization_endpoint: at('/authorize'),
      token_endpoint: at('/token'),
      registration_endpoint: at('/register'),
      response_types_supported: ['code'],
      grant_types_supported: ['authorization_code'],
      code_challenge_methods_supported: ['S256'],
      token_endpoint_auth_methods_supported: ['none'],
      authorization_response_iss_parameter_supported: true,
    };
  }

  authorize(params) {
    const code = randomUUID();
    this.codes.set(code, params);
    const back = new URL(params.get('redirect_uri'));
    back.searchParams.set('code', code);
    back.searchParams.set('iss', this.issuer);
    if (params.has('state')) back.searchParams.set('state', params.get('state'));
    return back.href;
  }

  exchange(params) {
    const granted = this.codes.get(params.get('code'));
    this.codes.delete(params.get('code'));
    const verifier = params.get('code_verifier') ?? '';
    const challenge = createHash('sha256').update(verifier).digest('base64url');
    const resource = params.get('resource');
    if (!granted || challenge !== granted.get('code_challenge')) {
      return [400, { error: 'invalid_grant' }];
    }
    if (!resource || resource !== granted.get('resource')) {
      return [400, { error: 'invalid_target' }];
    }
    const scope = granted.get('scope') ?? '';
    const token = this.token({ aud: resource, scope, client_id: params.get('client_id') });
    return [200, { access_token: token, token_type: 'Bearer', expires_in: 600, scope }];
  }

  stop() {
    this.http.close();
    this.http.closeAllConnections();
  }
}
