// The TypeScript SDKs against a sysmond that takes access tokens: oauth.mjs SYSMOND v1|v2. Each must
// find the authorization server by itself, get a token, call a tool, and come back for a scope.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';

import * as v2 from '@modelcontextprotocol/client';
import { UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

import { AuthorizationServer } from './authorization_server.mjs';
import { Checks, textOf } from './expect.mjs';

const SDKS = {
  v1: {
    Client,
    Transport: StreamableHTTPClientTransport,
    UnauthorizedError,
    options: {},
    finish: (transport, params) => transport.finishAuth(params.get('code')),
  },
  v2: {
    Client: v2.Client,
    Transport: v2.StreamableHTTPClientTransport,
    UnauthorizedError: v2.UnauthorizedError,
    options: { versionNegotiation: { mode: 'auto' } },
    finish: (transport, params) => transport.finishAuth(params),
  },
};

const SECONDS_MAX = 30;

/** Keeps what an SDK wants kept, and takes the place of the browser and its user. */
class Provider {
  redirectUrl = 'http://127.0.0.1:9/callback';
  clientMetadata = {
    client_name: 'emcp-tests',
    redirect_uris: [this.redirectUrl],
    grant_types: ['authorization_code'],
    token_endpoint_auth_method: 'none',
  };

  /** Scopes that were asked for, one for each time. */
  scopes = [];

  clientInformation = () => this.information;
  saveClientInformation = (information) => { this.information = information; };
  tokens = () => this.saved;
  saveTokens = (tokens) => { this.saved = tokens; };
  codeVerifier = () => this.verifier;
  saveCodeVerifier = (verifier) => { this.verifier = verifier; };

  redirectToAuthorization = async (url) => {
    this.scopes.push(url.searchParams.get('scope'));
    const response = await fetch(url, { redirect: 'manual' });
    this.callback = new URL(response.headers.get('location')).searchParams;
  };
}

/** Starts sysmond on a free port; ends with its process and its URL. */
async function sysmond(program, issuer, jwksFile) {
  const options = ['--listen', '127.0.0.1:0', '--quiet', '--oauth-issuer', issuer];
  const process = spawn(program, [...options, '--jwks', jwksFile], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = await once(createInterface(process.stdout), 'line');
  return [process, line.replace('listening on ', '')];
}

/** Runs `step`, and once more after the user's consent when a token is missing. */
async function withConsent(sdk, provider, transport, step) {
  try {
    return await step();
  } catch (error) {
    if (!(error instanceof sdk.UnauthorizedError)) throw error;
    await sdk.finish(transport(), provider.callback);
    return step();
  }
}

async function talk(checks, sdk, url, server) {
  const provider = new Provider();
  let client, transport;
  await withConsent(sdk, provider, () => transport, async () => {
    client = new sdk.Client({ name: 'emcp-tests', version: '1' }, sdk.options);
    transport = new sdk.Transport(new URL(url), { authProvider: provider });
    await client.connect(transport);
  });
  checks.equal(server.asked['/register'], 1, 'registrations at the server that the metadata names');
  checks.equal(server.asked['/token'], 1, 'tokens so far');
  const { tools } = await client.listTools();
  const names = tools.map((tool) => tool.name);
  checks.that(names.includes('system_overview'), 'tools are listed', names);
  checks.that(!names.includes('silence_alert'), 'but not those that need a scope', names);
  checks.overview(await client.callTool({ name: 'system_overview', arguments: {} }));
  // The challenge of the 403 names the scope, and the SDK asks for it.
  const input = { alert: 'no_such_alert', minutes: 1 };
  const silenced = await withConsent(sdk, provider, () => transport, () =>
    client.callTool({ name: 'silence_alert', arguments: input }));
  checks.that(textOf(silenced), 'the call with the scope is answered by the tool', silenced);
  checks.that(provider.scopes.at(-1).includes('alerts:write'), 'scope asked for', provider.scopes);
  const after = (await client.listTools()).tools.map((tool) => tool.name);
  checks.that(after.includes('silence_alert'), 'which is listed from then on', after);
  await client.close();
}

/** Calls without an SDK; gives the status. */
async function knock(url, token) {
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...(token && { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' }),
  });
  await response.body?.cancel();
  return response.status;
}

/** A new key of the issuer is noticed and read by sysmond itself, at the latest with the next try. */
async function rotate(checks, url, server) {
  checks.equal(await knock(url, server.token({ aud: 'https://other.example' })), 401, 'for another');
  server.rotate();
  const token = server.token({ aud: url });
  const end = Date.now() + SECONDS_MAX * 1000;
  let status = await knock(url, token);
  while (status === 401 && Date.now() < end) {
    await wait(50);
    status = await knock(url, token);
  }
  checks.that(status !== 401, 'a token of the new key is taken', status);
}

async function main(program, version) {
  const checks = new Checks();
  const folder = mkdtempSync(join(tmpdir(), 'emcp-oauth-'));
  const jwksFile = join(folder, 'jwks');
  const server = await AuthorizationServer.start(jwksFile);
  const [process, url] = await sysmond(program, server.issuer, jwksFile);
  try {
    checks.equal(await knock(url), 401, 'status without a token');
    await talk(checks, SDKS[version], url, server);
    await rotate(checks, url, server);
    process.kill('SIGTERM');
    const [status] = await once(process, 'exit');
    checks.equal(status, 0, 'exit status of sysmond');
  } finally {
    process.kill('SIGKILL');
    server.stop();
    rmSync(folder, { recursive: true });
  }
  console.log(`${checks.count} checks`);
}

await main(...process.argv.slice(2));
