// Mail clients that read a Maildir without a user: NeoMutt, driven by keystrokes on a terminal that nobody sees,
// and notmuch. Both decrypt through GnuPG, with the keys of a GnuPG home of the test's own.

import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from './process.ts';

/** Makes a Maildir of the files, named in their order. */
export async function makeMaildir(maildir: string, files: readonly Buffer[]): Promise<void> {
  for (const part of ['cur', 'new', 'tmp']) await mkdir(join(maildir, part), { recursive: true });
  await Promise.all(
    files.map((file, n) => writeFile(join(maildir, 'cur', `${1_000_000_000 + n}.M${n}.host:2,S`), file)),
  );
}

/**
 * Lists the texts that NeoMutt shows of the messages of a Maildir, without any field of the header. Decrypts one
 * message only, so that a Maildir of sealed messages may have no more.
 */
export async function readWithNeoMutt(maildir: string, gnupgHome: string): Promise<string[]> {
  const directory = await mkdtemp(join(tmpdir(), 'neomutt-'));
  try {
    const texts = join(directory, 'texts');
    const save = join(directory, 'save');
    await mkdir(texts);
    await writeFile(save, `#!/bin/sh\nexec cat >"$(mktemp "${texts}/XXXXXXXX")"\n`, { mode: 0o755 });
    const settings = [
      ...['set mbox_type=Maildir', 'set header_cache=""', 'set wait_key=no', 'set quit=yes', 'ignore *'],
      ...['set pipe_decode=yes', 'set pipe_split=yes', 'set charset=iso-8859-1', 'set crypt_use_gpgme=yes'],
    ];
    await writeFile(join(directory, 'rc'), `${settings.join('\n')}\n`);
    const keys = `<tag-pattern>~A<enter><tag-prefix><pipe-message>${save}<enter><exit>`;
    const command = `neomutt -n -F '${join(directory, 'rc')}' -R -f '${maildir}' -e 'push "${keys}"'`;
    const { code, stdout } = await run('script', ['-qefc', command, '/dev/null'], {
      env: { TERM: 'vt100', LC_ALL: 'C', GNUPGHOME: gnupgHome, HOME: directory },
    });
    if (code !== 0) throw new Error(`neomutt: exit ${code}: ${stdout}`);
    const names = await readdir(texts);
    return await Promise.all(names.map((name) => readFile(join(texts, name), 'latin1')));
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Lists what notmuch shows of the messages of a Maildir, decrypted: their structure and all texts. */
export async function readWithNotmuch(maildir: string, gnupgHome: string): Promise<string[]> {
  const directory = await mkdtemp(join(tmpdir(), 'notmuch-'));
  try {
    const config = join(directory, 'config');
    await writeFile(
      config,
      `[database]\npath=${maildir}\n[user]\nprimary_email=a@example.org\n[new]\ntags=new\n`,
    );
    const env = { NOTMUCH_CONFIG: config, GNUPGHOME: gnupgHome, HOME: directory };
    const notmuch = async (...args: string[]) => {
      const { code, stdout, stderr } = await run('notmuch', args, { env });
      if (code !== 0) throw new Error(`notmuch ${args.join(' ')}: exit ${code}: ${stderr}`);
      return stdout.toString();
    };
    await notmuch('new');
    const ids = (await notmuch('search', '--output=messages', '*')).split('\n').filter(Boolean);
    const texts: string[] = [];
    for (const id of ids)
      texts.push(await notmuch('show', '--format=text', '--decrypt=true', '--part=0', id));
    return texts;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
