/** The listening processes of this machine, on Linux, as `ss -ltnp` shows them. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

export interface Listener {
  /** In the kernel's notation: 0100007F is 127.0.0.1. */
  readonly address: string;
  readonly port: number;
  readonly pid: number;
  /** The command line. */
  readonly command: string;
}

/** All listeners whose processes this user may inspect. */
export function listeners(): Listener[] {
  const sockets = new Map<string, { address: string; port: number }>();
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6'])
    for (const line of readFileSync(table, 'utf8').split('\n').slice(1)) {
      const [, local = '', , state, , , , , , inode = ''] = line.trim().split(/\s+/);
      const [address = '', port = ''] = local.split(':');
      // 0A is LISTEN: https://docs.kernel.org/networking/proc_net_tcp.html
      if (state === '0A') sockets.set(`socket:[${inode}]`, { address, port: Number.parseInt(port, 16) });
    }
  const found: Listener[] = [];
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name)))
    for (const link of linksOf(pid)) {
      const socket = sockets.get(link);
      if (socket && !found.some((f) => f.port === socket.port && f.pid === Number(pid)))
        found.push({ ...socket, pid: Number(pid), command: commandOf(pid) });
    }
  return found;
}

/** A process and its descendants, without those of other commands and their descendants. */
export function familyOf(root: number, without: RegExp): Set<number> {
  const parents = new Map<number, number>();
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name)))
    if (!without.test(commandOf(pid))) parents.set(Number(pid), parentOf(pid));
  const family = new Set([root]);
  for (let size = 0; size !== family.size; ) {
    size = family.size;
    for (const [pid, parent] of parents) if (family.has(parent)) family.add(pid);
  }
  return family;
}

function linksOf(pid: string): string[] {
  const folder = `/proc/${pid}/fd`;
  return orNothing(() => readdirSync(folder), []).map((fd) =>
    orNothing(() => readlinkSync(`${folder}/${fd}`), ''),
  );
}

const commandOf = (pid: string): string =>
  orNothing(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8'), '').replaceAll('\0', ' ');

const parentOf = (pid: string): number =>
  Number(/^PPid:\s+(\d+)/m.exec(orNothing(() => readFileSync(`/proc/${pid}/status`, 'utf8'), ''))?.[1] ?? 0);

/** A process may end while it is inspected. */
function orNothing<T>(look: () => T, nothing: T): T {
  try {
    return look();
  } catch {
    return nothing;
  }
}
