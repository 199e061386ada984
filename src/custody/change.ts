/** Changes of the slots of a wrapped file: each returns the file as it is to be, one number later. */
import { MOST_SLOTS, type Slot, type WrappedFile } from './wrappedfile.ts';

/** A change that makes no sense. Its message is a sentence for whoever asked for it. */
export class ChangeError extends Error {}

/** Finds a slot by its id, or by its label. Throws ChangeError. */
export function slotNamed({ slots }: WrappedFile, name: string): Slot {
  const slot = slots.find(({ id }) => id === name) ?? slots.find(({ label }) => label === name);
  if (slot === undefined) throw new ChangeError(`there is no slot "${name}"`);
  return slot;
}

/** Throws ChangeError if a new slot cannot have this label: before anybody is asked for a password. */
export function refuseLabel({ slots }: Pick<WrappedFile, 'slots'>, label: string): void {
  if (slots.some((slot) => slot.label === label || slot.id === label))
    throw new ChangeError(`there is a slot "${label}" already`);
  if (slots.length >= MOST_SLOTS) throw new ChangeError(`there are ${MOST_SLOTS} slots already: revoke one`);
}

export function withSlot(file: WrappedFile, slot: Slot): WrappedFile {
  refuseLabel(file, slot.label);
  return { ...file, serial: file.serial + 1, slots: [...file.slots, slot] };
}

/** Puts a slot in the place of another one. That of a code has another id then. */
export function withChanged(file: WrappedFile, { id }: Pick<Slot, 'id'>, slot: Slot): WrappedFile {
  slotNamed(file, id);
  const slots = file.slots.map((each) => (each.id === id ? slot : each));
  return { ...file, serial: file.serial + 1, slots };
}

export function without(file: WrappedFile, { id }: Slot): WrappedFile {
  return { ...file, serial: file.serial + 1, slots: file.slots.filter((each) => each.id !== id) };
}
