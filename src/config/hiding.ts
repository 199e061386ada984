/** Settings -> which paths a log may name that hides addresses (log.addresses). */
import { resolve } from 'node:path';
import type { Hiding } from '../core/hiding.ts';
import { addressRules } from './rules.ts';
import type { Settings } from './settings.ts';

/** `own`: directories of the program, and the configuration file. */
export function hidingOf(settings: Settings, secret: Buffer, own: readonly string[]): Hiding {
  const { store, keys } = settings;
  return {
    secret: secret.toString('base64'),
    same: addressRules(settings),
    maildir: resolve(store.maildir),
    paths: [...new Set(textsIn(settings).flatMap(pathsIn))].filter((path) => path !== '/'),
    harmless: [...own, store.state.directory, keys.state].map((path) => resolve(path)),
  };
}

function textsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsIn) : [];
}

/** Paths, those in a URL too, and the fixed part of one with `{local}` in it. */
function pathsIn(text: string): string[] {
  const inText = text.match(/(?<![\w/:])\/[^\s?&'"]+/g) ?? [];
  const relative = text.includes('/') && !text.includes(':') ? [text] : [];
  return [...inText, ...relative].map((path) => resolve(path.replace(/[^/]*\{.*$/s, '')));
}
