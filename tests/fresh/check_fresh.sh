#!/bin/sh
# make check-fresh: README's two commands on a bare Debian 12.
#
# Makes a minimal Debian with debootstrap (its package source read from this machine's apt), clones the
# committed tree into it, runs `./quickstart build` and `./quickstart check` there as root, then as a user
# runs a job on Iris and one on Fashion-MNIST and asks their models for a prediction. Needs root.
#   ATTUNE_FRESH_CHECK=no leaves out `./quickstart check`; ATTUNE_FRESH_SECONDS is the second job's budget.
set -eu
top=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
root=$(mktemp -d "${TMPDIR:-/tmp}/attune-fresh-XXXXXX")

clean() {
  for place in dev/shm dev/pts dev proc sys; do
    umount -l "$root/$place" 2>/dev/null || true
  done
  rm -rf --one-file-system "$root"
}
trap clean EXIT
trap 'exit 1' INT TERM

[ "$(id -u)" -eq 0 ] || { echo 'check-fresh needs root for debootstrap and chroot' >&2; exit 1; }
command -v debootstrap >/dev/null || apt-get install -q -y debootstrap >/dev/null

mirror=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME)' 'Created-By: Packages' \
  | awk '$2 == "bookworm" { print $1; exit }')
started=$(date +%s)
debootstrap --variant=minbase --include=ca-certificates bookworm "$root" "$mirror" >"$root.log" 2>&1 \
  || { tail -n 20 "$root.log"; exit 1; }
rm -f "$root.log"
chmod 755 "$root"
echo "a minimal Debian 12 in $(($(date +%s) - started)) s"
cp -r /etc/apt/sources.list* /etc/apt/apt.conf.d "$root/etc/apt/" 2>/dev/null || true
rm -f "$root"/etc/apt/sources.list.d/*disabled* "$root"/etc/apt/apt.conf.d/docker* "$root"/etc/apt/apt.conf.d/20packagekit
cp /etc/resolv.conf /etc/hosts "$root/etc/"
mkdir -p "$root/etc/ssl/certs" && cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
for config in /etc/pip.conf /etc/npmrc; do
  if [ -f $config ]; then cp $config "$root/etc/"; fi
done
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount --make-rslave "$root/dev"
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod +x "$root/usr/sbin/policy-rc.d"

git clone -q "$top" "$root/srv/attune"
inside() { chroot "$root" /usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
  HOME=/root LANG=C.UTF-8 "$@"; }

echo '== ./quickstart build, as root'
started=$(date +%s)
inside sh -c 'cd /srv/attune && ./quickstart build'
echo "built in $(($(date +%s) - started)) s, packages included"

echo '== a job on Iris and one on Fashion-MNIST, as a user'
inside apt-get install -q -y --no-install-recommends curl dataset-fashion-mnist >/dev/null
inside useradd -m newcomer
inside cp /srv/attune/tests/fresh/two_jobs.sh /tmp/two_jobs.sh
inside su newcomer -c "ATTUNE_FRESH_SECONDS=${ATTUNE_FRESH_SECONDS:-60} sh /tmp/two_jobs.sh"

if [ "${ATTUNE_FRESH_CHECK:-yes}" = yes ]; then
  echo '== ./quickstart check, as root'
  inside sh -c 'cd /srv/attune && ./quickstart check'
fi
echo 'check-fresh passed'
