import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseSettings } from '../../src/config/load.ts';
import { entries, sections, splitPath } from '../../src/config/paths.ts';
import { givesSettingsOrErrors } from '../support/anysettings.ts';

test('any text gives settings, or errors with lines within the file', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary' }), givesSettingsOrErrors));
  fc.assert(fc.property(fc.string({ unit: 'grapheme' }), givesSettingsOrErrors));
});

test('any text made of the pieces of TOML gives settings, or errors with lines within the file', () => {
  const piece = fc.constantFrom(
    ...['[', ']', '{', '}', '=', ',', '.', '#', '"', "'", '"""', "'''", '\\', '\n', '\r\n', ' ', '\uFEFF'],
    ...['1', '-0', '1e999', 'inf', 'true', '1979-05-27', '"\\u0000"', '__proto__', 'constructor', 'x'],
    ...['"x"', 'a = 1\n', '"50MiB"', '[[lmtp]]\n', 'log.level = '],
    ...sections.map((section) => `[${section}]\n`),
    ...entries.map(([path]) => `${path} = `),
    ...entries.map(([path]) => `${splitPath(path)[1]} = `),
  );
  const text = fc.array(piece, { maxLength: 20 }).map((pieces) => pieces.join(''));
  fc.assert(fc.property(text, givesSettingsOrErrors), { numRuns: 3000 });
});

test('any value of any setting is taken or refused on its line', () => {
  const setting = fc.constantFrom(...entries.map(([path]) => path));
  const value = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.array(fc.string()));
  fc.assert(
    fc.property(setting, value, (path, written) => {
      const text = `# first\n${path} = ${JSON.stringify(written).replaceAll('\u007f', '\\u007f')}\n`;
      const loaded = parseSettings(text, 'f', { hostname: 'mx.example.com' });
      if (loaded.ok) return;
      for (const { line, message } of loaded.errors) {
        assert.equal(line, 2, message);
        assert.ok(message.startsWith(`${path}: `), message);
      }
    }),
    { numRuns: 1000 },
  );
});

test('text nested ten thousand deep gives errors, not a stack overflow', () => {
  givesSettingsOrErrors(`x = ${'['.repeat(10_000)}`);
  givesSettingsOrErrors(`log.level = ${'['.repeat(900)}${']'.repeat(900)}`);
  givesSettingsOrErrors(`${'a.'.repeat(10_000)}a = 1`);
  givesSettingsOrErrors(`lmtp.listen.${'a.'.repeat(10_000)}a = 1`);
});
