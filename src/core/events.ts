/**
 * The table of all events of the log: how severe each is, which fields it has, what it means and what to do.
 * A line of another event, level or field does not compile, and EVENTS.md is made from it.
 */
import type { Level } from './eventrow.ts';
import { FOLDER_EVENTS } from './folderevents.ts';
import { GATEWAY_EVENTS } from './gatewayevents.ts';
import { KEY_EVENTS } from './keyevents.ts';
import { SERVER_EVENTS } from './serverevents.ts';

export const EVENTS = { ...SERVER_EVENTS, ...FOLDER_EVENTS, ...GATEWAY_EVENTS, ...KEY_EVENTS } as const;

type Table = typeof EVENTS;
export type EventName = keyof Table;
export type LevelOf<E extends EventName> = Table[E]['levels'][number];
/** The events that may have a level. */
export type EventOf<L extends Level> = { [E in EventName]: L extends LevelOf<E> ? E : never }[EventName];
/** The fields of an event: those that are left out have nothing to say. */
export type DetailOf<E extends EventName> = { readonly [F in Table[E]['fields'][number]]?: unknown };

/** Writes a line of the log. */
export type Say = <E extends EventName>(level: LevelOf<E>, event: E, detail: DetailOf<E>) => void;
