/**
 * Wraps the secret key of somebody for the first time: a master key, a slot for each password and code, and
 * the recovery code. Nothing of it is on a disk yet.
 */
import type { World } from '../core/world.ts';
import { codeOf } from './code.ts';
import { makeSlot, type NewSlot, type SlotParts, wrapKey } from './slot.ts';
import { newUpstream } from './upstream.ts';
import { MASTER_BYTES, type Owner, type Slot, type WrappedFile } from './wrappedfile.ts';

const CODE_BYTES = 16;

/** Makes a code that nobody has yet, as it is printed. */
export function newCode({ random }: Pick<World, 'random'>): string {
  const bytes = random(CODE_BYTES);
  const code = codeOf(bytes);
  bytes.fill(0);
  return code;
}

/** Makes the first file of an owner. Throws TooBusyError. */
export async function enrol(
  owner: Owner,
  secretKey: Buffer,
  secrets: readonly NewSlot[],
  parts: SlotParts,
): Promise<WrappedFile> {
  const master = parts.world.random(MASTER_BYTES);
  try {
    const slots: Slot[] = [];
    for (const secret of secrets) slots.push(await makeSlot(secret, owner, master, parts));
    const key = wrapKey(secretKey, owner, master, parts.world);
    return { ...owner, serial: 1, slots, key, upstream: newUpstream(owner, master, parts.world) };
  } finally {
    master.fill(0);
  }
}
