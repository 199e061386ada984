/** What `slots add` and `slots change` have in common: one secret opens the file, and makes another slot. */
import { isDeepStrictEqual } from 'node:util';
import { newCode } from '../../custody/enrol.ts';
import { Derivations } from '../../custody/kdf.ts';
import { changeWrapped, LockedError, type Named } from '../../custody/place.ts';
import { isMasterOf, makeSlot, type NewSlot, type Opened, secretOf } from '../../custody/slot.ts';
import type { Slot, WrappedFile } from '../../custody/wrappedfile.ts';
import { realWorld } from '../../edge/world.ts';
import { untilInterrupted } from '../interrupt.ts';
import type { KeyArguments, Streams } from '../key/subcommand.ts';
import { ALONE, newPassword, openWithSecret } from './secrets.ts';
import { asCommandError, wrappedAt } from './target.ts';
import { codeLines, HONEST, PASSWORD_HONEST } from './words.ts';
import { written } from './written.ts';

/** A slot as it is to be, but for its secret, and how the file takes it. */
export interface Wanted {
  readonly head: Omit<NewSlot, 'secret'>;
  /** The one whose place it takes. */
  readonly replaced?: Slot;
  put(file: WrappedFile, slot: Slot): WrappedFile;
}

const world = realWorld('localhost');

/**
 * Opens a file, and puts the slot that `choose` wants into it. Prints the code of the new slot, once; if that
 * fails, nothing is changed.
 */
export async function putSlot(
  place: Named,
  choose: (opened: Opened) => Wanted,
  given: KeyArguments,
  streams: Streams,
): Promise<void> {
  const derivations = new Derivations(ALONE);
  const seen = await wrappedAt(place);
  const opened = await openWithSecret(seen, given, streams, derivations);
  try {
    const { head, replaced, put } = choose(opened);
    const isPassword = head.kind === 'password';
    const text = isPassword ? await newPassword(seen.address, given, streams) : newCode(world);
    const secret = secretOf(text).bytes;
    await untilInterrupted(async (pause) => {
      // made before the lock is taken, which others would find taken for a second
      const slot = await makeSlot({ ...head, secret }, seen, opened.master, { derivations, world });
      pause();
      const touched = [opened.slot, ...(replaced === undefined ? [] : [replaced])];
      const exchange = async () => put(await unchangedAt(place, opened.master, touched), slot);
      // a code that nobody has seen opens nothing for anybody: it is shown before the slot is in place
      const shown = isPassword ? `${HONEST}${PASSWORD_HONEST}` : codeLines(titleOf(head), text);
      const ready = () => written(streams, shown);
      await changeWrapped(place, exchange, { world, ready });
    })
      .catch(asCommandError)
      .finally(() => secret.fill(0));
  } finally {
    opened.master.fill(0);
  }
}

/**
 * Reads the file as it is now. Throws LockedError if one of these slots is another one since it was seen, or
 * gone: of two changes at a time, the second must not undo the first unseen.
 */
async function unchangedAt(place: Named, master: Buffer, slots: readonly Slot[]): Promise<WrappedFile> {
  const present = await wrappedAt(place);
  const isThere = (slot: Slot) => present.slots.some((each) => isDeepStrictEqual(each, slot));
  if (!slots.every(isThere) || !isMasterOf(present, master))
    throw new LockedError('another command has changed this slot, or what opened the file, meanwhile');
  return present;
}

function titleOf({ kind, label }: Omit<NewSlot, 'secret'>): string {
  return kind === 'recovery'
    ? 'Recovery code, shown this once: write it down.'
    : `Code for "${label}", shown this once: enter it there as the password.`;
}
