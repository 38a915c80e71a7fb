#!/usr/bin/env bash
# Makes the three recordings in this directory from ffmpeg's own test sources.
# Needs ffmpeg with libvpx, libopus and libx264 (Debian: apt-get install ffmpeg).
set -euo pipefail
cd "$(dirname "$0")"
ff=(ffmpeg -hide_banner -loglevel error -y)
exact=(-map_metadata -1 -fflags +bitexact -flags +bitexact)

# 5 s of a moving test card with a running clock, 320x240, 30 frames/s, a key frame each second.
"${ff[@]}" -f lavfi -i 'testsrc2=size=320x240:rate=30:duration=5' \
  -c:v libvpx -b:v 350k -g 30 -deadline good -cpu-used 2 -auto-alt-ref 0 -error-resilient 1 -threads 1 \
  "${exact[@]}" video.ivf

# 5 s of a tone that sweeps through three notes, 48 kHz stereo, 20 ms Opus frames.
"${ff[@]}" -f lavfi -i 'aevalsrc=0.3*sin(2*PI*(440+110*floor(mod(t\,3)))*t)|0.3*sin(2*PI*330*t):s=48000:d=5' \
  -c:a libopus -b:a 48k -frame_duration 20 -application audio \
  "${exact[@]}" audio.ogg

# 1 s of H.264 constrained baseline as an Annex B byte stream, parameter sets before each key frame.
"${ff[@]}" -f lavfi -i 'testsrc2=size=320x240:rate=30:duration=1' \
  -c:v libx264 -profile:v baseline -pix_fmt yuv420p -preset medium -b:v 350k -g 15 -bf 0 -threads 1 \
  -x264-params 'repeat-headers=1:slices=1' -bsf:v h264_mp4toannexb "${exact[@]}" -f h264 video.h264

ls -l video.ivf audio.ogg video.h264
