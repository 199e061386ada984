/** Which of the sockets that systemd passed is for which setting (sd_listen_fds_with_names(3)). */
import type { Server } from 'node:net';
import type { MetricsListener } from '../config/listenerkinds.ts';
import type { Settings } from '../config/settings.ts';
import type { InheritedSocket } from '../core/listener.ts';
import { listenOn, listenOnDescriptor } from '../edge/sockets.ts';

/**
 * Returns the sockets of this name; without one, those that no setting names. Throws an Error with a sentence
 * for the operator if there is none.
 */
export function passedAs(
  name: string | undefined,
  inherited: readonly InheritedSocket[],
  settings: Settings,
): InheritedSocket[] {
  const named = namesIn(settings);
  const found = inherited.filter((each) => (name === undefined ? !named.has(each.name) : each.name === name));
  if (found.length > 0) return found;
  const passed = inherited.map((each) => each.name).join(', ');
  const which = name === undefined ? '"systemd"' : `"systemd:${name}"`;
  throw new Error(
    passed === ''
      ? `it is ${which} but systemd passed no sockets`
      : `it is ${which}, but systemd passed ${passed}`,
  );
}

/** Lets `server` listen on an address, or on the one socket that systemd passed under this name. */
export async function listenAs(
  listen: Exclude<MetricsListener, { readonly type: 'off' }>,
  server: Server,
  inherited: readonly InheritedSocket[],
  settings: Settings,
): Promise<string> {
  if (listen.type !== 'systemd') return listenOn(server, listen, settings.lmtp.socket_mode);
  const [first, second] = passedAs(listen.name, inherited, settings);
  if (first === undefined || second !== undefined)
    throw new Error(`systemd passed several sockets that are named ${listen.name}`);
  return listenOnDescriptor(server, first.fd);
}

/** Returns those that no setting uses: whoever connects there would wait for ever. */
export function unusedOf(inherited: readonly InheritedSocket[], settings: Settings): InheritedSocket[] {
  const named = namesIn(settings);
  const takesOthers = listeners(settings).some((each) => 'name' in each && each.name === undefined);
  return takesOthers ? [] : inherited.filter((each) => !named.has(each.name));
}

function namesIn(settings: Settings): Set<string | undefined> {
  return new Set(listeners(settings).map((each) => ('name' in each ? each.name : undefined)));
}

function listeners({ lmtp, metrics, recipients }: Settings) {
  return [...lmtp.listen, metrics.listen, recipients.map_listen];
}
