// The settings about folders: a part of the table in settings.ts.

import { z } from 'zod/v3';
import { BadFolder, folderDirectory } from '../core/foldername.ts';
import { type FolderRule, parseFolderRule } from '../core/folderrule.ts';
import { converted, duration, type Kind, oneOf, pathOrNone, Wrong } from './kinds.ts';
import type { Setting } from './setting.ts';

/** Each message is held against all of them. */
const MOST_RULES = 200;

const NOT_RULES = 'is not a list of rules (write it like ["header List-Id contains lists.example -> Lists"])';
const folderRules: Kind<readonly FolderRule[]> = {
  name: 'list of rules',
  schema: z
    .array(
      converted(z.string({ message: NOT_RULES }), (written) => {
        const rule = parseFolderRule(written);
        return 'problem' in rule ? new Wrong(`is no rule: ${rule.problem}`) : rule;
      }),
      { message: NOT_RULES },
    )
    .max(MOST_RULES, `has more than ${MOST_RULES} rules`),
};

const NOT_FOLDERS = 'is not a list of folders (write it like ["Sent", "Drafts"])';
const MOST_FOLDERS = 20;
const folderNames: Kind<readonly string[]> = {
  name: 'list of folders',
  schema: z
    .array(
      converted(z.string({ message: NOT_FOLDERS }), (written) => {
        try {
          folderDirectory(written, 'utf-7');
          return written;
        } catch (error) {
          if (error instanceof BadFolder) return new Wrong(error.message);
          throw error;
        }
      }),
      { message: NOT_FOLDERS },
    )
    .max(MOST_FOLDERS, `has more than ${MOST_FOLDERS} folders`),
};

/** About what clients put into folders. */
export const sealFolderSettings = {
  'store.seal_folders': {
    kind: folderNames,
    default: [],
    doc: 'Folders in which messages are sealed soon after a mail client or another program has put them there, such as ["Sent", "Drafts"]. They lie there in clear until then. Read what that means for clients first: README "What clients put there".',
  },
  'store.seal_drafts_after': {
    kind: duration,
    default: '10m',
    doc: 'How long a draft in one of store.seal_folders is left alone after its last change: clients replace it again and again. A draft is a message with the flag \\Draft, or in a folder "Drafts".',
  },
  'store.seal_index': {
    kind: pathOrNone,
    default: '',
    doc: 'Where Dovecot\'s indexes are if they are not beside the messages, with {local} and {domain} as in store.maildir, such as "/var/lib/dovecot/sealdir/{domain}/{local}". store.seal_folders has to know it.',
  },
} as const satisfies Record<string, Setting>;

export const folderSettings = {
  'folders.rules': {
    kind: folderRules,
    default: [],
    doc: 'Which folder a message goes to; the first rule that it passes counts, and without one it goes to INBOX. A rule is "header NAME TEST VALUE -> FOLDER", "sender TEST VALUE -> FOLDER" or "detail TEST VALUE -> FOLDER"; with "for ADDRESS: " or "for @DOMAIN: " before it, it is for them alone. TEST is is, contains, begins, ends or exists (which has no VALUE); case does not matter.',
  },
  'folders.encoding': {
    kind: oneOf('utf-7', 'utf-8'),
    default: 'utf-7',
    doc: 'How names of folders that are not ASCII stand on disk. "utf-7" is what Dovecot and Courier expect; "utf-8" is for a Dovecot with mailbox_list_utf8 = yes (2.4) or UTF-8 in its mail_location (2.3).',
  },
} as const satisfies Record<string, Setting>;
