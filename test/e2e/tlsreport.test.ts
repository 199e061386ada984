// What came with which TLS: counted by a running server, shown by `sealdir tls-report`, and said in the
// stored message.

import assert from 'node:assert/strict';
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openMessage } from '../../src/commands/open.ts';
import { ALICE, BOB } from '../support/attempts.ts';
import { type ChildOptions, CLI, startChild } from '../support/child.ts';
import { deliver, openSession } from '../support/lmtp.ts';
import { isLong, shortOf, testLong } from '../support/long.ts';
import { run, start } from '../support/process.ts';
import { tomlFor } from '../support/sealdir.ts';
import { openTerminal } from '../support/terminal.ts';
import { makeKey } from '../support/testkeys.ts';
import { until } from '../support/until.ts';

const DATE = '; Sun, 29 Nov 2026 05:00:00 +0000';
const by = (tls: string, protocol: string) =>
  `Received: from mail.example.org (mail.example.org [192.0.2.1])${tls}\r\n\tby mx.example.com (Postfix) with ${protocol} id 4b9PtX2VkSz1Y${DATE}\r\n`;
const using = (version: string, cipher: string) =>
  `\r\n\t(using ${version} with cipher ${cipher} (256/256 bits))`;
const BODY = 'From: bob@example.org\r\nSubject: Canary-Subject\r\n\r\nbody\r\n';
const TLS = `${by(using('TLSv1.3', 'TLS_AES_256_GCM_SHA384'), 'ESMTPS')}${BODY}`;
const CLEAR = `${by('', 'ESMTP')}${by(using('TLSv1.3', 'TLS_AES_256_GCM_SHA384'), 'ESMTPS')}${BODY}`;
const WEAK = `${by(using('TLSv1', 'DES-CBC3-SHA'), 'ESMTPS')}${BODY}`;

interface Row {
  readonly domain: string;
  readonly version: string;
  readonly cipher: string;
  readonly count: number;
}

async function report(directory: string, ...options: readonly string[]) {
  return run(process.execPath, [CLI, 'tls-report', '-c', join(directory, 'sealdir.toml'), ...options]);
}

async function rowsOf(directory: string): Promise<string[]> {
  const { stdout } = await report(directory, '--json');
  if (stdout.length === 0) return [];
  const { rows } = JSON.parse(stdout.toString()) as { readonly rows: readonly Row[] };
  return rows.map(({ domain, version, cipher, count }) => `${domain} ${version} ${cipher} ${count}`);
}

async function site(t: TestContext, options: ChildOptions) {
  const key = await makeKey(ALICE);
  const server = await startChild({ keys: { [ALICE]: key.certificate, [BOB]: key.certificate }, ...options });
  t.after(() => server.stop());
  const send = async (message: string, from = 'bob@example.org', to = [ALICE]) => {
    const session = await openSession(server.socketPath);
    const { final } = await deliver(session, { from, to, message: Buffer.from(message, 'latin1') });
    await session.vanish();
    return final;
  };
  return { server, send, key };
}

const EXPECTED = [
  'clear.example none none 2',
  'old.example TLSv1 TLS_RSA_WITH_3DES_EDE_CBC_SHA 1',
  'good.example TLSv1.3 TLS_AES_256_GCM_SHA384 3',
  '<> TLSv1.3 TLS_AES_256_GCM_SHA384 1',
];

for (const processes of isLong ? [1, 2] : [2])
  testLong(
    `a server of ${processes} processes counts each message once, and goes on after a restart`,
    async (t) => {
      const { server, send } = await site(t, { toml: { processes } });
      const { directory } = server;
      for (let n = 0; n < 2; n++) await send(CLEAR, 'a@Clear.Example');
      for (let n = 0; n < 3; n++) await send(TLS, `a${n}@good.example`, [ALICE, BOB]);
      await send(WEAK, 'a@old.example');
      await send(TLS, '');
      assert.deepEqual(await send(TLS, 'a@nobody.example', ['nobody@example.com']), []);
      await until('it is written', async () => (await rowsOf(directory)).join() === EXPECTED.join());
      assert.equal((await stat(join(directory, 'state/tls-report'))).mode & 0o777, 0o600);
      const figures = await (await fetch(`${server.metrics()}/metrics`)).text();
      assert.match(figures, /^sealdir_received_messages_total\{version="none",cipher="none"\} 2$/m);
      assert.match(
        figures,
        /^sealdir_received_messages_total\{version="TLSv1.3",cipher="TLS_AES_256_GCM_SHA384"\} 4$/m,
      );
      assert.doesNotMatch(figures, /clear\.example/);
      await send(CLEAR, 'a@clear.example'); // and at once the end
      assert.equal(await server.process.stop(), 0);
      assert.equal((await rowsOf(directory))[0], 'clear.example none none 3');
      const again = await start(process.execPath, [CLI, 'serve', '-c', join(directory, 'sealdir.toml')], {
        ready: (output) => output.includes('"msg":"listening"'),
      });
      try {
        await send(CLEAR, 'a@clear.example');
      } finally {
        await again.stop();
      }
      assert.deepEqual(await rowsOf(directory), ['clear.example none none 4', ...EXPECTED.slice(1)]);
    },
  );

test('the table has mail in clear first, and fits a terminal', async (t) => {
  const { server, send } = await site(t, {});
  await send(CLEAR, `a@${'long-name.'.repeat(12)}example`);
  await send(TLS, 'a@good.example');
  await send(WEAK, 'a@[192.0.2.9]');
  await server.process.stop();
  const { stdout } = await report(server.directory);
  const [head = '', columns = '', first = '', second = '', third = ''] = stdout.toString().split('\n');
  assert.match(head, /^received since \d{4}-\d\d-\d\d: 3 messages, 1 of them in clear$/);
  assert.match(columns, /^DOMAIN +VERSION CIPHER +CODE +MAIL LAST +WEAK$/);
  assert.match(first, /^(?:long-name\.){12}example +none +- +- +1 \d{4}-\d\d-\d\d in clear$/);
  assert.match(second, /^other +TLSv1 .*0x000A .*old version, 3DES, no forward secrecy$/);
  assert.match(third, /^good\.example +TLSv1\.3 TLS_AES_256_GCM_SHA384 +0x1302 /);
  for (const width of shortOf([60, 80, 120], 1)) {
    const terminal = await openTerminal({ cwd: server.directory, columns: width });
    try {
      await terminal.type(`clear; node ${CLI} tls-report -c sealdir.toml; echo DO''NE\n`);
      const screen = await terminal.shows(/^DONE$/m);
      const [, shown = ''] = /^(DOMAIN [\s\S]*)\nDONE$/m.exec(screen) ?? [];
      const lines = shown.split('\n');
      assert.equal(lines.length, 4, 'a line that is too long would be two');
      for (const line of lines) assert.ok(line.length <= width, line);
      assert.match(lines[3] ?? '', /^good\.example +TLSv1\.3 TLS_AES_256_GCM_SHA384/);
    } finally {
      await terminal.close();
    }
  }
});

testLong('what is off, is not there yet, or is damaged is said in one line', async (t) => {
  const { server, send } = await site(t, { toml: { rest: '[tls_report]\ndomains = "off"\n' } });
  const config = join(server.directory, 'sealdir.toml');
  await send(CLEAR);
  await server.process.stop();
  await assert.rejects(stat(join(server.directory, 'state/tls-report')), /ENOENT/);
  const off = await report(server.directory);
  assert.deepEqual(
    [off.code, off.stderr.toString()],
    [66, 'sealdir: nothing is counted: see tls_report.domains in the configuration\n'],
  );
  await writeFile(config, tomlFor(server.directory));
  const none = await report(server.directory);
  assert.equal(none.code, 66);
  assert.match(none.stderr.toString(), /^sealdir: nothing is counted in .*state yet: [^\n]*\n$/);
  await rm(join(server.directory, 'state'), { recursive: true, force: true });
  await run('mkdir', [join(server.directory, 'state')]);
  await writeFile(join(server.directory, 'state/tls-report'), 'nonsense');
  assert.equal((await report(server.directory)).code, 65);
});

testLong('a damaged file costs a line of the log and the counts, and no mail', async (t) => {
  const { server, send } = await site(t, {
    prepare: async (directory) => {
      await run('install', ['-d', '-m', '700', join(directory, 'state')]);
      await writeFile(join(directory, 'state/tls-report'), '{"format":1');
    },
  });
  assert.match((await send(CLEAR, 'a@clear.example'))[0] ?? '', /^250 2\.0\.0 Sealed/);
  await server.process.stop();
  assert.match(server.process.output(), /"error":"[^"]*tls-report is damaged"[^\n]*"msg":"tls_report"/);
  assert.deepEqual(await rowsOf(server.directory), ['clear.example none none 1']);
  assert.equal(await readFile(join(server.directory, 'state/tls-report.damaged'), 'utf8'), '{"format":1');
});

test('the message says when, by whom and how: outside where the inside is exact, else inside', async (t) => {
  const forged = `Sealed-At-Delivery: by forged.example; hop=tls; now\r\n${BODY}`;
  const message = `${by('', 'ESMTP')}${forged}`;
  const { server, send, key } = await site(t, {
    toml: { rest: `[headers]\nrecipients = ["${BOB}: baseline"]\n` },
  });
  await send(message, 'a@clear.example', [ALICE, BOB]);
  const FIELD =
    /^Sealed-At-Delivery: by mx\.example\.com; hop=clear;\r?\n\t\w{3}, \d\d \w{3} \d{4} [\d:]{8} \+0000\r?$/m;
  const opened = async (address: string) => {
    const [name = '', domain = ''] = address.split('@');
    const { stdout } = await run('sh', ['-c', `cat ${server.directory}/mail/${domain}/${name}/new/*`]);
    const open = async (wanted: 'held' | 'original') => {
      const pieces = await openMessage({
        message: (async function* () {
          yield stdout;
        })(),
        keyFile: join(server.directory, 'alice.secret.asc'),
        passphraseFile: undefined,
        wanted,
      });
      return Buffer.concat(pieces).toString('latin1');
    };
    return { outside: stdout.toString('latin1'), held: await open('held'), original: await open('original') };
  };
  await writeFile(join(server.directory, 'alice.secret.asc'), key.secretKey);
  const visible = await opened(ALICE);
  assert.match(visible.outside, FIELD);
  assert.doesNotMatch(visible.outside, /forged\.example/, "the sender's own is not shown as ours");
  assert.equal(visible.held, message);
  assert.equal(visible.original, message);
  const baseline = await opened(BOB);
  assert.doesNotMatch(baseline.outside, /Sealed-At-Delivery/);
  assert.match(baseline.held, FIELD);
  assert.ok(baseline.held.startsWith('Sealed-At-Delivery: by mx.example.com;'), "before the sender's");
  assert.equal(baseline.original, message);
});
