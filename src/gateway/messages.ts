/** What the gateway and its processes tell each other, over the channel of child_process. */
import type { Level } from '../core/eventrow.ts';
import type { EventName } from '../core/events.ts';
import type { MessageCounts } from '../core/gatewaymeter.ts';
import type { TlsMaterial } from '../core/tls.ts';
import type { Refusal } from './connection.ts';
import type { Verdict } from './handover.ts';
import type { UserSettings } from './usersettings.ts';

/** A line for the log. */
export interface Told {
  readonly say: { level: Level; event: EventName; detail: object };
}

/** Comes once, and first: before it is known whose process it will be. */
export interface ToUser {
  readonly settings: UserSettings;
  /** Where it listens for logins. */
  readonly socket: string;
}

/** Comes once, before the first login. */
export interface Whose {
  /** The canonical address. */
  readonly address: string;
}

export type FromUser = 'listening' | Told | { readonly counts: MessageCounts };

/** Comes once, and first. */
export interface ToFront {
  readonly hostname: string;
  /** Of connections with TLS. */
  readonly tls: TlsMaterial | undefined;
  /** Milliseconds: until the login, and without a word of either side. */
  readonly loginMs: number;
  readonly idleMs: number;
}

/** Comes with a connection, whose number it is from then on. */
export interface Taken {
  readonly connection: number;
  readonly isTls: boolean;
}

/** Where the process of a user listens; or why it is not asked, or what follows from its verdict. */
export type Answer = { readonly socket: string; readonly derives: boolean } | Refusal;

export type AnswerTo = { readonly connection: number; readonly answer: Answer };

export type FromFront =
  | Told
  /** Somebody wants to log in; `slot` is the id that a code names. It is answered. */
  | { readonly connection: number; readonly user: string; readonly slot: string | undefined }
  /** What the process of the user says of their password. It is answered unless that is `opened`. */
  | { readonly connection: number; readonly verdict: Verdict }
  | { readonly connection: number; readonly ended: true };
