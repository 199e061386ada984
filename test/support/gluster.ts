// A GlusterFS volume of three copies over the machines of a network: a brick on each, on an ext4 of its own,
// and the volume mounted on each.

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { LoopMount, needsLoopMount } from './loopmount.ts';
import { type Machine, Network, needsMachines } from './machines.ts';
import { until } from './until.ts';

/** Seconds until a brick that is silent counts as gone; 42 unless set. */
const PING_SECONDS = 5;
/** Between two looks at what is not alike yet: each costs a second. */
const HEAL_MS = 2000;

export async function needsGluster(...programs: readonly string[]): Promise<{ skip: string | false }> {
  const machines = needsMachines('glusterd', 'gluster', 'mount.glusterfs', ...programs);
  return machines.skip === false ? needsLoopMount('xfs_io') : machines;
}

export class GlusterHosts implements AsyncDisposable {
  readonly directory: string;
  readonly network: Network;
  /** By number, from 1; a new one when a host is started again. */
  readonly machines = new Map<number, Machine>();
  readonly #bricks = new Map<number, LoopMount>();

  private constructor(directory: string, network: Network) {
    this.directory = directory;
    this.network = network;
  }

  /** Starts three hosts, with their files below a directory. */
  static async open(directory: string, brickBytes = 256 * 1024 * 1024): Promise<GlusterHosts> {
    const hosts = new GlusterHosts(directory, await Network.open());
    try {
      await hosts.#lay(brickBytes);
      return hosts;
    } catch (error) {
      await hosts.close();
      throw error;
    }
  }

  async #lay(brickBytes: number): Promise<void> {
    for (const number of [1, 2, 3]) {
      for (const name of ['lib', 'log', 'brick', 'mnt'])
        await mkdir(this.at(number, name), { recursive: true });
      const mount = await LoopMount.open('ext4', this.at(number, 'brick'), '', brickBytes);
      this.#bricks.set(number, mount);
      await this.#startMachine(number);
    }
    const { network } = this;
    const first = this.machine(1);
    const names = [1, 2, 3].map((number) => `${network.address(number)}:${this.at(number, 'brick')}/mail`);
    await first.sh(`for peer in ${network.address(2)} ${network.address(3)}
do gluster --mode=script peer probe $peer; done`);
    await until(
      'the peers know each other',
      async () => (await first.sh('gluster peer status')).split('Peer in Cluster (Connected)').length === 3,
    );
    await first.sh(`gluster --mode=script volume create mail replica 3 ${names.join(' ')}
gluster volume set mail network.ping-timeout ${PING_SECONDS}
gluster volume start mail`);
    for (const number of [1, 2, 3]) await this.#mount(number);
  }

  at(number: number, name: string): string {
    return join(this.directory, `${number}`, name);
  }

  machine(number: number): Machine {
    const machine = this.machines.get(number);
    if (machine === undefined) throw new Error(`host ${number} is down`);
    return machine;
  }

  async #startMachine(number: number): Promise<void> {
    const own = { lib: '/var/lib/glusterd', log: '/var/log/glusterfs' };
    const binds = Object.entries(own).map(([name, path]) => `mount --bind ${this.at(number, name)} ${path}`);
    const machine = await this.network.start(number, ['mkdir -p /run/gluster', ...binds].join('; '));
    this.machines.set(number, machine);
    await machine.sh('glusterd');
  }

  async #mount(number: number): Promise<void> {
    const machine = this.machine(number);
    await machine.sh(`mount -t glusterfs ${machine.address}:/mail ${this.at(number, 'mnt')}`);
  }

  /** Ends everything on a host at once. */
  async kill(number: number): Promise<void> {
    await this.machine(number).kill();
    this.machines.delete(number);
  }

  /** Starts a host that was killed, with its brick, and mounts the volume there. */
  async restart(number: number): Promise<void> {
    await this.#startMachine(number);
    await this.bricksUp(number, 3);
    await this.#mount(number);
  }

  /** Waits until a host sees that many bricks. */
  async bricksUp(number: number, count: number): Promise<void> {
    await until(`host ${number} sees ${count} bricks`, async () => {
      const { stdout } = await this.machine(number).run('gluster', ['volume', 'status', 'mail', 'detail']);
      return [...stdout.toString().matchAll(/^Online\s*: Y/gm)].length >= count;
    });
  }

  /** Ends the process of a host's brick by SIGKILL; everything else there goes on. */
  killBrick(number: number): Promise<unknown> {
    return this.machine(number).sh('kill -KILL $(pidof glusterfsd)');
  }

  async startBrick(number: number): Promise<void> {
    await this.machine(number).sh('gluster volume start mail force');
    await this.bricksUp(number, 3);
  }

  /** Waits until every brick has what the others have. */
  async healed(): Promise<void> {
    await until(
      'all bricks have the same',
      async () => {
        // a daemon that has found a brick too early tries again in ten minutes, unless told
        await this.machine(1).run('gluster', ['volume', 'heal', 'mail']);
        await pause(HEAL_MS);
        const { stdout } = await this.machine(1).run('gluster', ['volume', 'heal', 'mail', 'info']);
        const counts = [...stdout.toString().matchAll(/^Number of entries: (.*)$/gm)].map(
          ([, count]) => count,
        );
        return counts.length === 3 && counts.every((count) => count === '0');
      },
      300_000,
    );
  }

  /** Gets a power cut of all three bricks ready; the result makes it. */
  armPowerCut(): () => Promise<unknown> {
    const cuts = [...this.#bricks.values()].map((brick) => brick.armPowerCut());
    return () => Promise.all(cuts.map((cut) => cut()));
  }

  /** Starts the hosts and their bricks again after a power cut. */
  async powerUp(): Promise<void> {
    for (const number of [1, 2, 3]) await this.kill(number);
    for (const brick of this.#bricks.values()) {
      await brick.unmount();
      await brick.mount();
    }
    for (const number of [1, 2, 3]) await this.#startMachine(number);
    for (const number of [1, 2, 3]) {
      await this.bricksUp(number, 3);
      await this.#mount(number);
    }
  }

  async close(): Promise<void> {
    await this.network.close();
    for (const brick of this.#bricks.values()) await brick.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
