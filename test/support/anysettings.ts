// Checks what every configuration text has to give: settings, or errors that say where they are.

import assert from 'node:assert/strict';
import { formatError, parseSettings } from '../../src/config/load.ts';

export function givesSettingsOrErrors(text: string): void {
  const loaded = parseSettings(text, 'FILE', { hostname: 'mx.example.com' });
  if (loaded.ok) return;
  const lines = text.split('\n').length;
  assert.ok(loaded.errors.length > 0);
  for (const error of loaded.errors) {
    const { line, message } = error;
    assert.ok(line >= 1 && line <= lines, `line ${line} of ${lines}: ${message}`);
    assert.match(message, /^\P{Cc}{1,400}$/u);
    assert.ok(formatError(error).startsWith(`FILE:${line}: `));
  }
}
