# SPDX-License-Identifier: Apache-2.0
# bash completion for enginelabs-2api.
_enginelabs_2api() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    local command=${COMP_WORDS[1]} options='--config --env-file --help' choices=

    case $before in
    --config | --env-file | --scenario | --capture)
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
        return
        ;;
    --model | -m)
        mapfile -t COMPREPLY < <(compgen -W "$(enginelabs-2api models 2>/dev/null)" -- "$word")
        return
        ;;
    --listen) return ;;
    esac
    if [ "$COMP_CWORD" -eq 1 ]; then
        choices='serve init check reload keys usage chat models simulate version help'
    else
        case $command in
        serve) options="$options --demo --demo=auto --listen" ;;
        check) options="$options --offline --capture" ;;
        chat) options="$options --model --listen" ;;
        models) options="$options --listen" ;;
        simulate) options="$options --listen --scenario" ;;
        keys) choices='list add show edit revoke rotate' ;;
        usage) choices='rows from= to= by= key= model= format= limit= before=' ;;
        help) choices='serve init check reload keys usage chat models simulate version help settings' ;;
        esac
        [ "$command" != keys ] || [ "$COMP_CWORD" -eq 2 ] || choices=
    fi
    [[ $word != -* ]] || choices=$options
    mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$word")
    [[ ${COMPREPLY[0]} != *= ]] || compopt -o nospace 2>/dev/null
}
complete -F _enginelabs_2api enginelabs-2api
