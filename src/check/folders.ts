/** The rules for folders: those that no message ever comes to, and names that are nearly the same. */
import { addressRules, canonicalOwner } from '../config/rules.ts';
import type { Settings } from '../config/settings.ts';
import { folderDirectory } from '../core/foldername.ts';
import { DETAIL, type FolderRule, passes } from '../core/folderrule.ts';
import { type Finding, note, warning } from './finding.ts';

const FIX = 'remove it, or move it up';

export function checkFolders(settings: Settings): Finding[] {
  const { rules } = settings.folders;
  const owned = rules.map((rule) => ({ rule, owner: canonicalOwner(rule, addressRules(settings)) }));
  const findings = owned.flatMap(({ rule, owner }, index): Finding[] => {
    const before = owned
      .slice(0, index)
      .find((other) => isFor(other.owner, owner) && takes(other.rule, rule));
    if (before === undefined) return [];
    const what = `folders.rules: no message comes to "${rule.text}", since "${before.rule.text}" takes them all`;
    return [warning('folder-rule-idle', what, FIX)];
  });
  return [...findings, ...checkDetails(settings), ...checkNames(rules)];
}

/** Whether a rule for `owner` is for all that one for `other` is for. */
function isFor(owner: string | undefined, other: string | undefined): boolean {
  return (
    owner === undefined || owner === other || (owner.startsWith('@') && (other?.endsWith(owner) ?? false))
  );
}

/** Whether each message that passes the test of `rule` passes that of `before`, and stays in its folder. */
function takes(before: FolderRule, rule: FolderRule): boolean {
  if (before.folder.includes(DETAIL) || !isSameSubject(before, rule)) return false;
  if (before.test === 'exists') return true;
  switch (rule.test) {
    case 'exists':
      return false;
    case 'is':
      return passes(before, [rule.value]);
    case 'contains':
      return before.test === 'contains' && rule.value.includes(before.value);
    case 'begins':
    case 'ends':
      return (before.test === 'contains' || before.test === rule.test) && passes(before, [rule.value]);
    default:
      throw new Error(`no test: ${rule.test satisfies never}`);
  }
}

function isSameSubject({ subject: one }: FolderRule, { subject: other }: FolderRule): boolean {
  if (one.what === 'header') return other.what === 'header' && one.field === other.field;
  return one.what === other.what;
}

function checkDetails({ folders, recipients }: Settings): Finding[] {
  const ofDetail = folders.rules.filter(
    ({ subject, folder }) => subject.what === 'detail' || folder.includes(DETAIL),
  );
  if (recipients.delimiter === '')
    return ofDetail.map(({ text }) =>
      warning(
        'folder-detail-off',
        `folders.rules: no message comes to "${text}", since no address has a detail`,
        'set recipients.delimiter',
      ),
    );
  return ofDetail
    .filter(({ folder }) => folder === DETAIL)
    .map(({ text }) =>
      note(
        'folder-any-detail',
        `folders.rules: "${text}" lets senders choose any folder, Trash and Sent too`,
      ),
    );
}

/** On disk the case of a name counts, and people do not see it. */
function checkNames(rules: readonly FolderRule[]): Finding[] {
  const spellings = new Map<string, string>();
  const findings = new Map<string, Finding>();
  for (const { folder } of rules) {
    const directory = folderDirectory(folder.replaceAll(DETAIL, 'x'), 'utf-8');
    const other = spellings.get(directory.toLowerCase());
    if (other !== undefined && folderDirectory(other.replaceAll(DETAIL, 'x'), 'utf-8') !== directory)
      findings.set(
        folder,
        warning('folder-case', `folders.rules: ${other} and ${folder} are two folders`, 'write them alike'),
      );
    spellings.set(directory.toLowerCase(), other ?? folder);
  }
  return [...findings.values()];
}
