// A real server whose log hides addresses: whatever happens, no part of an address that was used is in it, in
// JSON and in text, in one process and in several; and an operator finds the lines of an address they know.

import assert from 'node:assert/strict';
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { CommandError } from '../../src/commands/errors.ts';
import { hideInLog } from '../../src/commands/hideinlog.ts';
import { parseSettings } from '../../src/config/load.ts';
import { CLI } from '../support/child.ts';
import { freshKey, revoked } from '../support/freshkey.ts';
import { deliver, openSession } from '../support/lmtp.ts';
import { shortOf, testLong } from '../support/long.ts';
import { type Running, run, start } from '../support/process.ts';
import { makeSite, tomlFor } from '../support/sealdir.ts';
import { until } from '../support/until.ts';

const DAY_MS = 86_400_000;
const DOMAINS = ['zebra.example', 'quagga.example', 'xn--okapi-lqa.example'];
const NAMES = [
  'alwin',
  'berta',
  'cecil',
  'dora',
  'emil',
  'frieda',
  'gustav',
  'hanna',
  'ignaz',
  'jolanthe',
  'klaus',
  'ludmilla',
  'mechthild',
];
const LETTERS = Buffer.from('Subject: x\r\n\r\nx\r\n');

const at = (name: string, domain = 0) => `${name}@${DOMAINS[domain]}`;
const past = { createdAt: new Date(Date.now() - 3 * DAY_MS), lifetimeSeconds: 86_400 };
const [alwin, other, expired, gone, ending] = await Promise.all([
  freshKey(at('alwin')),
  freshKey(at('alwin')),
  freshKey(at('cecil'), past),
  freshKey(at('dora')),
  freshKey(at('klaus'), { createdAt: new Date(), lifetimeSeconds: 5 * 86_400 }),
]);
const KEYS = {
  [at('alwin')]: alwin.certificate,
  [at('berta')]: Buffer.from('no key at all'),
  [at('cecil')]: expired.certificate,
  [at('dora')]: await revoked(gone),
  [at('klaus')]: ending.certificate,
  [`"ludmilla x"@${DOMAINS[1]}`]: other.certificate,
  [at('frieda', 1)]: other.certificate,
  [`mechthild+x@${DOMAINS[1]}`]: other.certificate,
  [`@${DOMAINS[2]}`]: other.certificate,
};

async function serve(directory: string, format: string, processes: number): Promise<Running> {
  const config = join(directory, 'sealdir.toml');
  const toml = {
    processes,
    rest: `[log]\naddresses = "hash"\nformat = "${format}"\nlevel = "debug"\n[notices]\nfrom = "${at('hanna', 1)}"`,
  };
  await writeFile(config, tomlFor(directory, { toml, hostname: 'mx.host.test' }));
  const ready = (output: string) => /listening/.test(output) && /(?:"msg":"keys"|info keys )/.test(output);
  return start(process.execPath, [CLI, 'serve', '-c', config], { ready });
}

async function send(directory: string, from: string, ...to: string[]): Promise<string[]> {
  const session = await openSession(join(directory, 'lmtp.sock'));
  const { rcpt, final } = await deliver(session, { from, to, message: LETTERS });
  await session.vanish();
  return [...rcpt, ...final];
}

const LOGS = [
  ['json', 1],
  ['text', 2],
] as const;

for (const [format, processes] of shortOf(LOGS, 1))
  test(`no part of an address is in a log of ${format} of ${processes} processes, whatever happens`, {
    timeout: 480_000,
  }, async () => {
    const directory = await makeSite(KEYS);
    // a mailbox that cannot be made, and one that cannot be written to
    await mkdir(join(directory, 'mail', DOMAINS[1] ?? ''), { recursive: true });
    await writeFile(join(directory, 'mail', DOMAINS[1] ?? '', 'frieda'), '');
    await writeFile(join(directory, 'keys', 'emil.asc'), alwin.certificate);
    await writeFile(join(directory, 'keys', `${at('gustav')}.asc`), alwin.secretKey);
    const server = await serve(directory, format, processes);
    try {
      const replies = await send(
        directory,
        at('jolanthe', 1),
        ...['alwin', 'Alwin', 'berta', 'cecil', 'dora', 'gustav', 'nobody-ignaz'].map((name) => at(name)),
        at('frieda', 1),
        `"ludmilla x"@${DOMAINS[1]}`,
        at('anybody', 2),
        'emil@',
      );
      for (const code of ['250', '451', '550', '501'])
        assert.ok(
          replies.some((reply) => reply.startsWith(code)),
          `${code} of ${replies}`,
        );
      // a client that leaves, one that talks nonsense, a key that is exchanged and one that goes
      const session = await openSession(join(directory, 'lmtp.sock'));
      session.write(`MAIL FROM:<${at('ignaz')}>\r\nRCPT TO:<${at('alwin')}>\r\nDATA\r\n`);
      await session.vanish();
      await writeFile(join(directory, 'incoming'), other.certificate);
      await rename(join(directory, 'incoming'), join(directory, 'keys', `${at('alwin')}.asc`));
      await rm(join(directory, 'keys', `${at('cecil')}.asc`));
      const said = (event: string) => new RegExp(format === 'json' ? `"msg":"${event}"` : ` ${event} `);
      // of the key that ends, of the exchange and of the one that went
      await until('changes and notices are logged', () => {
        const output = server.output();
        const times = (event: string) => output.match(new RegExp(said(event).source, 'g'))?.length ?? 0;
        return times('key change') >= 2 && times('key notice') >= 3 && times('check') > 0;
      });
      // a configuration with a mistake, then the key directory is taken away
      const config = join(directory, 'sealdir.toml');
      const good = await readFile(config, 'utf8');
      await writeFile(config, good.replace(/from = .*/, `from = "${at('hanna', 1)} ${at('hanna')}"`));
      process.kill(server.pid, 'SIGHUP');
      await until('it is refused', () =>
        said('configuration refused, the running one stays').test(server.output()),
      );
      await writeFile(config, good);
      await rename(join(directory, 'keys'), join(directory, 'kept'));
      await send(directory, at('jolanthe', 1), at('alwin'));
      await rename(join(directory, 'kept'), join(directory, 'keys'));
    } finally {
      await server.stop();
    }
    const output = server.output();
    for (const word of [...NAMES, ...DOMAINS])
      assert.ok(!output.toLowerCase().includes(word), `${word} in:\n${output}`);
    for (const event of ['stored', 'deferred', 'refused', 'key change', 'key notice', 'check'])
      assert.match(output, new RegExp(`\\b${event}\\b`));

    const secret = await stat(join(directory, 'keystate/log.secret'));
    assert.deepEqual([secret.mode & 0o777, secret.size], [0o600, 32]);
    const lookup = await run(process.execPath, [
      CLI,
      'lookup',
      '-c',
      join(directory, 'sealdir.toml'),
      'ALWIN@zebra.example',
    ]);
    const [, token = ''] = /^log {6}(addr:[0-9a-f]{20})$/m.exec(lookup.stdout.toString()) ?? [];
    const about = output.split('\n').filter((line) => line.includes(token) && token !== '');
    for (const event of ['stored', 'key change', 'key notice'])
      assert.ok(
        about.some((line) => line.includes(event)),
        `${event} of ${token} in:\n${output}`,
      );
    await rm(directory, { recursive: true, force: true });
  });

testLong(
  'the hashes of addresses outlast a restart; without keys.state they last as long as the process, and the log says so',
  async () => {
    const directory = await makeSite({ [at('alwin')]: alwin.certificate });
    const tokenOf = async () => {
      const server = await serve(directory, 'json', 1);
      await send(directory, '', at('alwin'));
      await server.stop();
      return /"recipient":"(addr:[0-9a-f]{20})"/.exec(server.output())?.[1];
    };
    const first = await tokenOf();
    assert.ok(first);
    assert.equal(await tokenOf(), first);
    await writeFile(join(directory, 'keystate/log.secret'), 'short');
    const config = join(directory, 'sealdir.toml');
    const server = await start(process.execPath, [CLI, 'serve', '-c', config], {
      ready: (output) => output.includes('"msg":"listening"'),
    });
    await send(directory, '', at('alwin'));
    await server.stop();
    assert.match(
      server.output(),
      /"error":"\S*\/keystate\/log\.secret does not have 32 bytes: remove it, and restart","msg":"log\.addresses"/,
    );
    assert.ok(!server.output().includes(first) && !server.output().includes('alwin'), server.output());
    await rm(directory, { recursive: true, force: true });
  },
);

test('what seal and deliver tell the log of the system has no address either, even if the secret may not be read', () => {
  for (const [addresses, isHidden] of [
    ['hash', true],
    ['plain', false],
  ] as const) {
    const loaded = parseSettings(`[log]\naddresses = "${addresses}"`, 'x.toml', { hostname: 'mx.host.test' });
    assert.ok(loaded.ok);
    const error = new CommandError('tempFail', `${at('alwin')}: deferred`).because(
      `EACCES: permission denied, open '/var/mail/sealdir/${DOMAINS[0]}/berta/tmp/1', for BERTA`,
    );
    const { inLog, everything } = hideInLog(error, loaded.settings, [
      at('alwin'),
      at('berta'),
    ]) as CommandError;
    assert.equal(/alwin|berta|zebra/i.test(inLog ?? everything.join()), !isHidden, inLog);
    assert.equal(everything.length, 2, 'a terminal is told all');
  }
});
