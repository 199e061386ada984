/** The folders that are sealed after clients have put mail there: what keeps them from being sealed. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Settings } from '../config/settings.ts';
import { folderDirectory } from '../core/foldername.ts';
import { splitTemplate } from '../maildir/template.ts';
import { pathsOf } from '../site.ts';
import { whyNotKept } from '../stored/dovecot.ts';
import { below } from '../stored/mailboxes.ts';
import { error, type Finding, warning } from './finding.ts';

/** Looking at all mailboxes would take long. */
const MOST_MAILBOXES = 200;

export async function checkSealFolders(settings: Settings): Promise<Finding[]> {
  const { store, recipients, owners } = settings;
  if (store.seal_folders.length === 0) return [];
  const findings: Finding[] = [];
  const why = await whyNotKept(store.seal_index);
  if (why !== undefined)
    findings.push(
      error('seal-folders-dovecot', `store.seal_folders: ${why}`, 'do so, or set store.seal_folders = []'),
    );
  if (owners.socket !== '' || recipients.roots.length > 0)
    findings.push(
      warning(
        'seal-folders-elsewhere',
        'store.seal_folders: mailboxes that belong to their users, or that the recipient source places, are left',
        'run sealdir migrate --mailbox ADDRESS --folder NAME for them as root, now and then',
      ),
    );
  return [...findings, ...(await checkNames(settings))];
}

/** A name that no mailbox has is another one than clients use, as a rule. */
async function checkNames(settings: Settings): Promise<Finding[]> {
  const { store, folders } = settings;
  const there = new Set<string>();
  let mailboxes = 0;
  const { root, segments } = splitTemplate(pathsOf(settings).maildir);
  try {
    for await (const { path } of below(root, segments, {})) {
      for (const name of await readdir(path)) there.add(name);
      mailboxes += 1;
      if (mailboxes === MOST_MAILBOXES) break;
    }
  } catch {
    return []; // the store is looked at elsewhere
  }
  if (mailboxes === 0) return [];
  const isThere = (name: string) => {
    const directory = folderDirectory(name, folders.encoding);
    return directory === '' || there.has(directory);
  };
  return store.seal_folders
    .filter((name) => !isThere(name))
    .map((name) =>
      warning(
        'seal-folders-name',
        `store.seal_folders: no mailbox has a folder "${name}"`,
        `write it as clients do: their folders are in ${join(root, '...')}, such as .Sent`,
      ),
    );
}
