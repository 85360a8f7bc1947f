# SPDX-License-Identifier: Apache-2.0
# fish completion for enginelabs-2api.
function __enginelabs_2api_in
    set -l words (commandline -opc)
    test (count $words) -gt 1; and contains -- $words[2] $argv
end
function __enginelabs_2api_at
    test (count (commandline -opc)) -eq $argv[1]
end

set -l commands serve init check reload keys usage chat models simulate version help
complete -c enginelabs-2api -f
complete -c enginelabs-2api -n '__enginelabs_2api_at 1' -a "$commands"
complete -c enginelabs-2api -l config -r -F -d 'YAML settings'
complete -c enginelabs-2api -l env-file -r -F -d 'settings instead of .env'
complete -c enginelabs-2api -l help -d 'explain the command'
complete -c enginelabs-2api -n '__enginelabs_2api_in serve' -l demo -d 'answer from the simulator'
complete -c enginelabs-2api -n '__enginelabs_2api_in serve' -a --demo=auto -d 'unless there is an account'
complete -c enginelabs-2api -n '__enginelabs_2api_in serve chat models simulate' -l listen -x -d HOST:PORT
complete -c enginelabs-2api -n '__enginelabs_2api_in check' -l offline -d 'the settings only'
complete -c enginelabs-2api -n '__enginelabs_2api_in check' -l capture -r -F -d 'record what the service says'
complete -c enginelabs-2api -n '__enginelabs_2api_in chat' -s m -l model -x -a '(enginelabs-2api models 2>/dev/null)'
complete -c enginelabs-2api -n '__enginelabs_2api_in simulate' -l scenario -r -F -d 'settings, faults, recordings'
complete -c enginelabs-2api -n '__enginelabs_2api_in keys; and __enginelabs_2api_at 2' -a 'list add show edit revoke rotate'
complete -c enginelabs-2api -n '__enginelabs_2api_in usage' -a 'rows from= to= by= key= model= format= limit= before='
complete -c enginelabs-2api -n '__enginelabs_2api_in help; and __enginelabs_2api_at 2' -a "$commands settings"
